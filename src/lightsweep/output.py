"""What a process prints into: once nobody reads that any more, the process is asked to end, as `head` does to `yes`.

Where it cannot be written, because a disk is full, the process goes on without it and says so.
"""

import errno
import os
import signal
import sys
from io import TextIOWrapper
from typing import Any

CLOSED = 128 + 13
"""The exit code that shells know such an end by: 128 and SIGPIPE's number."""


class Output:
    """What there is to know of this process's stdout."""

    is_closed = False
    """It was a pipe that nobody reads any more."""
    is_incomplete = False
    """Something that was printed could not be written."""


def watch_output() -> None:
    """Let this process get a SIGTERM when it writes into a stdout that nobody reads, and what it still says go nowhere.

    SIGPIPE itself, which Python ignores, would come from sockets too, and leave no time to save a run. A stderr that
    nobody reads ends nothing, and neither does a file on a full disk: that a stdout is incomplete is told once. A
    terminal that is closed ends nothing here either: it sends SIGHUP to whoever is to end with it.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and _has_descriptor(stream):
            _watch(stream, is_stdout=stream is sys.stdout)


def _has_descriptor(stream: TextIOWrapper) -> bool:
    try:
        return stream.fileno() >= 0
    except (OSError, ValueError):  # closed, or of memory
        return False


def _watch(stream: TextIOWrapper, is_stdout: bool) -> None:
    is_terminal = stream.isatty()  # one that was closed says no
    raw: Any = getattr(stream.buffer, "raw", stream.buffer)  # `python -u` has no buffer between
    write = raw.write

    def written(data: bytes) -> Any:
        try:
            return write(data)
        except BrokenPipeError:
            _send_nowhere(raw.fileno())
            if is_stdout and not Output.is_closed:
                Output.is_closed = True
                os.kill(os.getpid(), signal.SIGTERM)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
                raise
            if is_terminal:
                _send_nowhere(raw.fileno())
            elif is_stdout and not Output.is_incomplete:
                Output.is_incomplete = True
                print(f"error: stdout cannot be written: {error.strerror}; going on without it", file=sys.stderr)
        return len(data)

    raw.write = written


def _send_nowhere(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
