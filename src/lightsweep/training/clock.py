"""The overhead meter: where a run's wall time goes.

Parts may nest: time spent in an inner part is not counted in the outer one, so the parts sum to the wall time.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lightsweep.linux import process_fields, told

PARTS = ("startup", "arithmetic", "data", "framework", "validation", "checkpoint", "logging")


class Clock:
    """Adds up seconds by part; whatever is in no other part is `framework`.

    Args:
        already: seconds from the process's start to now, counted as start-up.
    """

    def __init__(self, already: float = 0.0) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self.seconds["startup"] = already
        self._part = "startup"
        self._since = time.perf_counter()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time of a block as part `name`."""
        before = self.enter(name)
        try:
            yield
        finally:
            self.enter(before)

    def enter(self, name: str) -> str:
        """Count the time from now on as part `name`; returns the part before."""
        now = time.perf_counter()
        before = self._part
        self.seconds[before] += now - self._since
        self._part, self._since = name, now
        return before

    def move(self, seconds: float, source: str, target: str) -> None:
        """Count some seconds of one part as another's."""
        self.seconds[source] -= seconds
        self.seconds[target] += seconds

    @property
    def training(self) -> float:
        """Seconds of the training epochs: steps, their data, what drives them and what they log."""
        return sum(self.seconds[part] for part in ("arithmetic", "data", "framework", "logging"))

    @property
    def total(self) -> float:
        """Seconds of all parts."""
        self.enter(self._part)
        return sum(self.seconds.values())


_asked_by: set[int] = set()


def seconds_since_process_start() -> float:
    """Seconds since the operating system started this process; 0.0 where it does not tell.

    A process has one start-up: for the second run of a process, and those after it, the answer is 0.0.
    """
    if os.getpid() in _asked_by:
        return 0.0
    _asked_by.add(os.getpid())
    fields, uptime = process_fields("self"), told("/proc/uptime").split()
    if not fields or not uptime:
        return 0.0
    return max(0.0, float(uptime[0]) - int(fields[19]) / os.sysconf("SC_CLK_TCK"))
