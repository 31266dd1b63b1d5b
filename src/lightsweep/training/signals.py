"""SIGINT and SIGTERM end a run at the next optimizer step, with its state saved; a second signal ends it at once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from lightsweep.errors import Interrupted

_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)
)  # SLURM announces the end of a job's time by the signal it asked for; submitit's is SIGUSR2


class StopRequest:
    """Set by a signal's handler, looked at by the training step."""

    def __init__(self) -> None:
        self.requested = False
        self.signal_number = 0

    def raise_if_requested(self) -> None:
        """Raise Interrupted if a signal came."""
        if self.requested:
            raise Interrupted(self.signal_number)

    def request(self, number: int) -> None:
        """Ask for the run's end as if the signal had come."""
        self.requested, self.signal_number = True, number

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle the signals within a block; the handlers from before are put back after it.

        Outside the main thread signals cannot be handled, and nothing is done.
        """
        before = {}
        try:
            for number in _SIGNALS:
                before[number] = signal.signal(number, self._handle)
        except ValueError:  # not the main thread
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.request(number)
