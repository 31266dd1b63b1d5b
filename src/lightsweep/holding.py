"""Whether a process writes into a run's folder, as its lock file tells; `training` takes the lock."""

import fcntl
from pathlib import Path

from lightsweep.errors import RunFolderError


def is_held(lock: Path) -> bool | None:
    """Whether another process, or another part of this one, holds a lock file; None where that cannot be told.

    The file is only read: none is made, and the folder may be one that cannot be written.
    """
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # that of filelock is exclusive
    except BlockingIOError:
        return True
    except OSError:  # no such file, or a file system without locks
        return None
    return False


def busy(folder: Path) -> RunFolderError:
    """The error for who would write into a folder that is held."""
    return RunFolderError(f"{folder} is being written by another process; wait for it, or end it")
