"""What the warm server has read of a sweep's journal, for the jobs that it forks.

Each job opens the study in a process of its own, and would read the whole of it, longer and longer. So a job leaves the
journal's path in memory that it shares with the process which it was forked from. That one reads on before each fork,
and the next job finds everything read but the last few lines.
"""

import mmap
import os
import struct
from pathlib import Path

from lightsweep.sweeping.journal import SnapshotBackend, SweepJournal, identity
from lightsweep.sweeping.journal_lock import FlockLock, check_journal

_LENGTH = struct.Struct("=H")
_told = mmap.mmap(-1, 2**13)
"""A path's length in bytes, and the path; anonymous memory, which all forks of this process share."""

_server = os.getpid()
_followed: "_Followed | None" = None


class _Followed:
    """A journal that is read on from time to time.

    Args:
        path: an existing journal.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.identity = path, identity(path)
        self.journal = SweepJournal(SnapshotBackend(str(path), FlockLock(path)))

    def lies_at(self, path: Path) -> bool:
        """Whether the journal at this path is this one still, and not a new one in its place."""
        return path == self.path and identity(path) == self.identity


def open_journal(path: Path, make: bool = False) -> SweepJournal:
    """The journal at a path, with what the process has read that this one was forked from.

    Call it once a process and journal.

    Args:
        path: the journal.
        make: make the file, and its folder, where they are missing.

    Raises:
        ConfigError: another file lies there; it is left as it is.
        OSError: there is none, or it cannot be written.
    """
    check_journal(path)
    if make:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()
    lock = FlockLock(path)
    lock.acquire()  # cuts a torn last line
    lock.release()
    if os.getpid() != _server:
        _tell(path)
        if _followed is not None and _followed.lies_at(path):
            _followed.journal.become_own()
            return _followed.journal
    return SweepJournal(SnapshotBackend(str(path), lock))


def _tell(path: Path) -> None:
    name = os.fsencode(path)
    if _LENGTH.size + len(name) <= len(_told):
        _told[: _LENGTH.size + len(name)] = _LENGTH.pack(len(name)) + name


def _read_on() -> None:
    """Before a fork of the server; what goes wrong here is met again by the job, which tells of it."""
    global _followed
    length = _LENGTH.unpack_from(_told)[0]
    if os.getpid() != _server or not length:
        return
    try:
        path = Path(os.fsdecode(_told[_LENGTH.size : _LENGTH.size + length]))
        if _followed is None or not _followed.lies_at(path):
            _followed = _Followed(path)
        _followed.journal.get_all_studies()  # reads what was appended
    except Exception:
        _followed = None


os.register_at_fork(before=_read_on)
