"""A sweep's folder: its trials found in it, and what is told when its files can no longer be written."""

from pathlib import Path

from lightsweep.errors import StorageFailed
from lightsweep.files import storage_error


def trial_folder_within(sweep: Path, recorded: Path) -> Path | None:
    """A trial's folder in its sweep's, which may have been moved or copied since the study recorded it; None if it has
    none there.
    """
    below = (sweep.joinpath(*recorded.parts[start:]) for start in range(1, len(recorded.parts)))
    return next((path for path in below if path.is_dir()), None)


def folder_failure(error: Exception, folder: Path) -> tuple[StorageFailed, bool] | None:
    """The error in one line, if it is about a folder or a disk that cannot be written, and whether it is gone.

    An error of a full disk names no file: it may be met at the study's journal too, which may lie elsewhere.
    """
    cause = storage_error(error, folder)
    if cause is None:
        return None
    which = folder if cause.filename is not None else f"{folder} or its study"
    failure = StorageFailed(f"{which} can no longer be written: {cause.strerror}")
    return failure, isinstance(cause, FileNotFoundError)
