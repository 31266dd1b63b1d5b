"""The lock of a journal file, how such a file is known, and the cutting back of a line that was left half written."""

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightsweep.errors import ConfigError

_BLOCK = 64 * 1024
_LONGEST_LINE = 1024 * 1024
_BEGIN = b'{"op_code":'


class FlockLock:
    """`flock` on the journal itself: the kernel frees it when its holder dies, so no dead process blocks the next.

    Optuna asks of a lock no more than `acquire` and `release`. Taking the lock also repairs the file, because the
    next line would otherwise be glued to a torn one.

    Args:
        path: the journal, which is there: a sweep whose folder was moved or deleted must not begin another study.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: int | None = None

    def acquire(self) -> bool:
        """Wait for the lock; returns True, as Optuna expects."""
        self._held = _locked(self._path)
        _cut_torn_line(self._held)
        return True

    def release(self) -> None:
        """Give the lock back."""
        assert self._held is not None, "release without acquire"
        os.close(self._held)
        self._held = None


def check_journal(path: Path) -> None:
    """Refuse a file that is no journal before anything is cut from it or written into it.

    Args:
        path: may be missing or empty, or hold no more than the torn beginning of a journal.

    Raises:
        ConfigError: its first line is none of a journal's, or its last whole one, behind which nothing would be read.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        line = file.readline(_LONGEST_LINE)
        file.seek(max(0, os.fstat(file.fileno()).st_size - _BLOCK))  # each trial looks; a line is some 200 bytes
        whole = file.read().split(b"\n")[:-1]
    if not (_is_operation(line) if line.endswith(b"\n") else _is_torn_beginning(line)):
        raise ConfigError(
            f"`hydra.sweeper.storage` {path} is no journal: its first line is none of a study's; "
            "name another file, or one that is not there yet"
        )
    if len(whole) > 1 and not _is_operation(whole[-1]):
        raise ConfigError(f"`hydra.sweeper.storage` {path} {damage(path)}")


def damage(path: Path) -> str:
    """What to do about a journal that has a line which is none of a study's; an empty text if it has none."""
    with path.open("rb") as file:
        bad = next((number for number, line in enumerate(file, 1) if not _is_operation(line)), None)
    return "" if bad is None else f"is damaged: its line {bad} is none of a study's; delete that line to go on"


def _is_operation(line: bytes) -> bool:
    try:
        found = json.loads(line)
    except ValueError:
        return False
    return isinstance(found, dict) and {"op_code", "worker_id"} <= found.keys()


def _is_torn_beginning(line: bytes) -> bool:
    return not line.strip(b"\0") or _BEGIN.startswith(line[: len(_BEGIN)])


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path`, among all processes of this machine; the file stays, empty.

    Its folder is not made.
    """
    handle = _locked(path, os.O_CREAT)
    try:
        yield
    finally:
        os.close(handle)


def _locked(path: Path, making: int = 0) -> int:
    handle = os.open(path, os.O_RDWR | making | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        os.close(handle)
        if error.errno in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
            raise ConfigError(
                f"the file system of {path} cannot lock files; set `hydra.sweeper.storage` to a database URL"
            ) from error
        raise
    return handle


def _cut_torn_line(handle: int) -> None:
    """Cut the file back to its last newline; a file without any newline becomes empty."""
    size = os.fstat(handle).st_size
    if size == 0 or os.pread(handle, 1, size - 1) == b"\n":
        return
    end = size
    while end > 0:
        start = max(0, end - _BLOCK)
        newline = os.pread(handle, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    os.ftruncate(handle, end)
