"""Ctrl-C, SIGTERM and SIGHUP during a launch: noted instead of obeyed, and handed on once the jobs have ended."""

import os
import signal
import threading
from types import FrameType, TracebackType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """While entered, SIGINT, SIGTERM and SIGHUP make `fd` readable; `read` tells which.

    Signals that the program ignores stay ignored. Outside the main thread, where Python allows no handlers, nothing
    is caught.
    """

    def __init__(self) -> None:
        self._previous: dict[int, object] = {}

    def __enter__(self) -> "StopSignals":
        self.fd, self._writer = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._writer, False)
        if threading.current_thread() is threading.main_thread():
            for number in STOP_SIGNALS:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        os.close(self.fd)
        os.close(self._writer)

    def read(self) -> list[int]:
        """The signals since the last look, oldest first."""
        try:
            return list(os.read(self.fd, 4096))
        except BlockingIOError:
            return []

    def _note(self, number: int, frame: FrameType | None) -> None:
        os.write(self._writer, bytes([number]))


def obey(number: int) -> None:
    """Do now what the signal asked: call the program's handler, or exit with 128 + number where it has none."""
    handler = signal.getsignal(number)
    if callable(handler):
        handler(number, None)
    raise SystemExit(128 + number)
