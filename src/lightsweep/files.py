"""Files that are whole or not there: written beside, flushed to the disk, then renamed; and folders for them."""

import csv
import errno
import io
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from lightsweep.errors import RunFolderError, StorageFailed

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO, errno.ESTALE)
"""Those by which a disk takes no more."""

_SQLITE_ERRORS = {8: errno.EROFS, 10: errno.EIO, 13: errno.ENOSPC}
"""SQLite's own of the same: SQLITE_READONLY, SQLITE_IOERR and SQLITE_FULL."""


def write_whole(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Let `write` fill a file, and put it in place only when it is complete and on the disk.

    Its folder is made if it is not there, but none above: a run's folder that was deleted does not come back in part.

    Raises:
        OSError: the disk is full or the folder cannot be written; what was at `path` stays as it was.
    """
    path.parent.mkdir(exist_ok=True)
    part = _part(path)
    try:
        with part.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def why_unread(error: OSError, path: Path) -> str:
    """Why a file that was named cannot be read, and what to do: to be said behind its name."""
    if isinstance(error, FileNotFoundError):
        dangling = "links to a file that is not there: mend the link, or remove it"
        return dangling if path.is_symlink() else "is not there: give the path of a file"
    if isinstance(error, IsADirectoryError):
        return f"is a folder: name the files in it, such as {path / '*'}"
    return f"cannot be read: {error.strerror}"


def make_folder(folder: Path, name: str = "", advice: str = "") -> None:
    """Make a folder, with those above it, and see whether it can be written.

    Args:
        name: what the user calls it, a setting with a blank behind it; told before the path.
        advice: what to do where it cannot be written; told behind the reason.

    Raises:
        RunFolderError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise RunFolderError(f"{name}{folder} {why_unwritten(error, folder)}{advice}") from None


def why_unwritten(error: OSError, folder: Path) -> str:
    """Why a folder cannot be made or written: to be said behind its name. What stands in its way is named."""
    if os.path.isdir(folder):
        return f"cannot be written: {error.strerror}"
    barrier = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if os.path.isdir(barrier):
        return f"cannot be made: {error.strerror}"
    named = "it" if barrier == folder else barrier
    kind = "a file" if os.path.exists(barrier) else "a link to what is not there; mend it, or remove it"
    return f"cannot be made: {named} is {kind}"


def storage_error(error: BaseException | None, folder: Path) -> OSError | None:
    """What kept a folder from being written, if that is what an exception, or one behind it, is about."""
    while error is not None:
        code = getattr(error, "sqlite_errorcode", None)  # an extended one: its last byte is the kind
        if code is not None and code & 0xFF in _SQLITE_ERRORS:
            number = _SQLITE_ERRORS[code & 0xFF]
            return OSError(number, os.strerror(number))
        if isinstance(error, OSError):
            named = error.filename is not None and Path(os.fsdecode(error.filename)).is_relative_to(folder)
            if named or (error.filename is None and error.errno in DISK_ERRORS):
                return error
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def written_into(folder: Path) -> Iterator[None]:
    """Raise StorageFailed, which is one line, where what is written within a block finds a disk that takes no more."""
    try:
        yield
    except Exception as error:
        cause = storage_error(error, folder)
        if cause is None:
            raise
        raise StorageFailed(f"{folder} cannot be written: {cause.strerror}") from error


def discard_parts(folder: Path) -> None:
    """Remove what killed writers left below a folder; to be called where no writer is alive."""
    for path in folder.rglob(".*.part"):
        path.unlink(missing_ok=True)


def link(source: Path, target: Path, or_rename: bool = False) -> None:
    """Give a file a second name, replacing what bore it.

    Where the file system has no hard links that is a copy; with `or_rename` the file has its new name alone there.
    """
    part = _part(target)
    try:
        try:
            os.link(source, part)
        except OSError:
            if or_rename:
                os.replace(source, part)
            else:
                write_bytes(part, source.read_bytes())
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)  # there also after a rename of two names of one file, which does nothing


def _part(path: Path) -> Path:
    """A name of this writer's alone: processes of two containers on one shared folder may have the same id."""
    return path.with_name(f".{path.name}.{os.urandom(8).hex()}.part")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file."""
    write_whole(path, lambda file: file.write(content))


def write_text(path: Path, text: str) -> None:
    """Write a whole text file in UTF-8."""
    write_whole(path, lambda file: file.write(text.encode()))


def write_csv(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write a whole CSV file in UTF-8, row by row as they come; None is an empty cell.

    What is no UTF-8 in a file's name is written as on the screen, `\\udcff`.
    """

    def write(file: BinaryIO) -> None:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
        csv.writer(text, lineterminator="\n").writerows(rows)
        text.detach()

    write_whole(path, write)


def write_json(path: Path, values: Any) -> None:
    """Write a whole JSON file; numbers that JSON does not have (NaN, infinity) become null."""
    write_text(path, json.dumps(_plain(values), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _plain(values: Any) -> Any:
    if isinstance(values, dict):
        return {str(key): _plain(value) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [_plain(value) for value in values]
    if isinstance(values, float) and not math.isfinite(values):
        return None
    return values
