"""SIGINT, SIGTERM and SIGHUP end a run at the next optimizer step, its state saved; a second signal ends it at once."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

from lightsweep.errors import INSISTING, INTERRUPTING, Interrupted

Handler = Callable[[int, FrameType | None], None]


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

    def listening(self) -> AbstractContextManager[None]:
        """Handle the signals within a block."""
        return _handled_by(self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number in INSISTING:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        if not self.requested:
            self.request(number)


def ended_at_once() -> AbstractContextManager[None]:
    """Let the signals end the process within a block: one that waits inside a library runs no handler.

    For where there is nothing to save yet.
    """
    return _handled_by(signal.SIG_DFL)


@contextmanager
def _handled_by(handler: Handler | signal.Handlers) -> Iterator[None]:
    """Handle the signals within a block; the handlers from before are put back after it.

    Signals that the program ignores, as a shell makes a background job do, stay ignored. Outside the main thread
    signals cannot be handled, and nothing is done.
    """
    before = {}
    try:
        for number in INTERRUPTING:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, handler)
    except ValueError:  # not the main thread
        before = {}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
