"""What a process prints into: once nobody reads that any more, the process is asked to end, as `head` does to `yes`."""

import os
import signal
import stat
import sys
from io import TextIOWrapper
from typing import Any

CLOSED = 128 + 13
"""The exit code that shells know such an end by: 128 and SIGPIPE's number."""


class _Output:
    """What there is to know of this process's stdout."""

    closed = False


def is_closed() -> bool:
    """Whether stdout was a pipe that nobody reads any more."""
    return _Output.closed


def end_when_closed() -> None:
    """Let this process get a SIGTERM when it writes into a stdout that nobody reads, and what it still says go nowhere.

    SIGPIPE itself, which Python ignores, would come from sockets too, and leave no time to save a run. A stderr that
    nobody reads ends nothing. What is no pipe stays as it was.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and _is_pipe(stream):
            _watch(stream, ends=stream is sys.stdout)


def _is_pipe(stream: TextIOWrapper) -> bool:
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except (OSError, ValueError):  # closed, or no file
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _watch(stream: TextIOWrapper, ends: bool) -> None:
    raw: Any = getattr(stream.buffer, "raw", stream.buffer)  # `python -u` has no buffer between
    write = raw.write

    def written(data: bytes) -> Any:
        try:
            return write(data)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, raw.fileno())
            os.close(nowhere)
            if ends and not _Output.closed:
                _Output.closed = True
                os.kill(os.getpid(), signal.SIGTERM)
            return len(data)

    raw.write = written
