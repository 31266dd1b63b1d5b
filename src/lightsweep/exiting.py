"""A process that is one command: no file of its own takes the place of a stream that it was started without.

And it ends without the teardown of every imported module, which takes torch two seconds.
"""

import atexit
import contextlib
import logging
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn


def run_program(command: Callable[[], Any]) -> NoReturn:
    """Run a command as the whole of this process: when it has ended, threads and exit handlers do, and then all ends.

    Exit codes and tracebacks are Python's own. To be called before anything registers an exit handler that counts: of
    those that are there already, only logging's runs.
    """
    fill_standard_streams()
    code = 1  # after an exception, whose traceback is printed before exit handlers run

    def leave() -> None:
        leave_at_once(code)

    atexit.register(leave)  # the first to be registered is the last to run
    try:
        command()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    except KeyboardInterrupt:  # Python lets the signal itself end the process
        atexit.unregister(leave)
        raise
    code = 0
    sys.exit()


def fill_standard_streams() -> None:
    """Open the null device as each of the descriptors 0, 1 and 2 that is closed, as they may be in a daemon.

    The next file or socket would get that number, and with it all that libraries and child processes print.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)


def leave_at_once(code: int) -> NoReturn:
    """Write out what is buffered, and end this process."""
    logging.shutdown()
    write_out()
    os._exit(code)


def write_out() -> None:
    """Write out what is buffered."""
    for stream in filter(None, (sys.stdout, sys.stderr)):  # a process that was started without one has None
        with contextlib.suppress(OSError, ValueError):  # the reader may be gone, the stream may be closed
            stream.flush()
