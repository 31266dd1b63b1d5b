"""The end of a process without the teardown of every imported module, which takes torch two seconds."""

import atexit
import contextlib
import logging
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn


def run_program(command: Callable[[], Any]) -> NoReturn:
    """Run a command as the whole of this process: when it has ended, exit handlers run, and nothing else does.

    Where it raises anything but SystemExit, the process ends as Python ends it.
    """
    codes: list[int] = []
    atexit.register(lambda: [leave_at_once(code) for code in codes])  # the first to be registered is the last to run
    try:
        command()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            codes.append(end.code or 0)
        raise
    codes.append(0)
    sys.exit(0)


def leave_at_once(code: int) -> NoReturn:
    """Write out what is buffered, and end this process."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # the reader may be gone, the stream may be closed
            stream.flush()
    os._exit(code)
