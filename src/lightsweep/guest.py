"""What a process has one of, and lightsweep uses: shared among threads, and put back for the program that it serves."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

from lightsweep.errors import ConfigError


class ProcessLock:
    """A lock between the threads of a process, which one thread may take several times.

    A forked process has one of its own: the thread that holds its parent's is not there to release it.
    """

    def __init__(self) -> None:
        self._by_process: dict[int, RLock] = {}

    def of_this_process(self) -> RLock:
        """The lock itself."""
        return self._by_process.setdefault(os.getpid(), RLock())


_random_numbers = ProcessLock()


@contextmanager
def alone() -> Iterator[None]:
    """Train or evaluate while no other thread does: all draw from the process's one stream of random numbers.

    Raises:
        ConfigError: another thread does.
    """
    lock = _random_numbers.of_this_process()
    if not lock.acquire(blocking=False):
        raise ConfigError(
            "another run trains in this process, and two would draw each other's random numbers: use processes, not "
            "threads"
        )
    try:
        yield
    finally:
        lock.release()


@contextmanager
def environment_kept(*names: str) -> Iterator[None]:
    """Put some environment variables back as they were."""
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
