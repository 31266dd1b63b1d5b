"""What is read once for all jobs that are forked from one process: unpacked archives, decoded images.

Trials of a sweep read the same files. The first one leaves what it made of them in anonymous files that it shares with
the process it was forked from; the others map them, copy-on-write, so that none can change what another sees. The
memory is given back when that process ends.
"""

import fcntl
import hashlib
import json
import mmap
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from lightsweep.data.memory import room
from lightsweep.errors import DataError

_NUM_FILES = 8
_SHARE = 0.25
"""Of the room for a split; so the shared files together leave most of it to the jobs."""
_HEADER = mmap.PAGESIZE

_OPEN_FILES = "/proc/self/fd"

_files: list[int] = []


def share_with_forks() -> None:
    """Make the anonymous files, for the forks of this process; where there are none, each fork reads for itself."""
    if not _files and hasattr(os, "memfd_create") and os.path.isdir(_OPEN_FILES):
        _files.extend(os.memfd_create(f"lightsweep-data-{index}") for index in range(_NUM_FILES))


def read_once(kind: str, files: Iterable[Path], read: Callable[[], np.ndarray]) -> np.ndarray:
    """What `read` makes of files, or what another fork's made of the same files before.

    In a process that is no such fork, or where all is taken or too large, this is `read()`.

    Args:
        kind: what is made of them; all that it depends on but the files.
        files: these, with their sizes, inodes and times of change, tell whether it is the same.
        read: gives a new array of numbers.

    Returns:
        The array, which the caller may write to; nobody else sees that.

    Raises:
        DataError: a file that cannot be looked at, in a fork; elsewhere `read` meets it.
    """
    if not _files:
        return read()
    key = _key(kind, files)
    for file in _files:
        with _locked(file):
            held = _header(file)
            if held is None:
                return _filled(file, key, read())
            if held["key"] == key:
                if held["shape"] is None:
                    break
                return _mapped(file, held["dtype"], held["shape"])
    return read()


def _key(kind: str, files: Iterable[Path]) -> str:
    found = hashlib.sha256(kind.encode())
    for path in files:
        try:
            state = path.stat()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error
        found.update(f"{path.absolute()}|{state.st_size}|{state.st_ino}|{state.st_mtime_ns}\0".encode())
    return found.hexdigest()


@contextmanager
def _locked(file: int) -> Iterator[None]:
    """Hold a file alone; the kernel frees it where a process is killed.

    It is opened anew for that: forks have one lock together on what they inherit, and a record lock would be lost as
    soon as a mapping of the file is closed.
    """
    own = os.open(f"{_OPEN_FILES}/{file}", os.O_RDWR)
    try:
        fcntl.flock(own, fcntl.LOCK_EX)
        yield
    finally:
        os.close(own)


def _header(file: int) -> dict | None:
    """A file's description; None where nobody has finished writing one."""
    text = os.pread(file, _HEADER, 0).rstrip(b"\0")
    return json.loads(text) if text else None


def _filled(file: int, key: str, array: np.ndarray) -> np.ndarray:
    """An array as others will find it; of one that is too large they find that alone, and none waits for another."""
    fits = 0 < array.nbytes <= _SHARE * room(torch.device("cpu")) and _grown(file, _HEADER + array.nbytes)
    if fits:
        with mmap.mmap(file, 0) as memory:
            np.frombuffer(memory, array.dtype, array.size, _HEADER)[:] = array.reshape(-1)
    described = {"key": key, "dtype": array.dtype.str, "shape": array.shape if fits else None}
    os.pwrite(file, json.dumps(described).encode(), 0)  # last: what has no header is not whole
    return _mapped(file, array.dtype.str, array.shape) if fits else array


def _grown(file: int, size: int) -> bool:
    """Make a file this large; False where that is refused, as `ulimit -f` also counts files of memory."""
    try:
        os.ftruncate(file, size)
    except OSError:
        return False
    return True


def _mapped(file: int, dtype: str, shape: Iterable[int]) -> np.ndarray:
    memory = mmap.mmap(file, 0, access=mmap.ACCESS_COPY)
    return np.frombuffer(memory, dtype, offset=_HEADER).reshape(tuple(shape))
