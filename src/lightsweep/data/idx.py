"""IDX files, the format of MNIST and its kin: a magic number, the sizes, then one unsigned byte a value.

An archive is unpacked while it is read and never written out, and no more of it than its header announces: a file that
unpacks to something enormous costs neither disk nor memory. Which files there are is left to `mnist`.
Format: http://yann.lecun.com/exdb/mnist
"""

from functools import partial
from io import BufferedIOBase
from math import prod
from pathlib import Path

import numpy as np
import torch
from isal import igzip, isal_zlib
from torch import Tensor

from lightsweep.data.shared import read_once
from lightsweep.data.spec import Arrays
from lightsweep.errors import DataError
from lightsweep.screen import many

MAX_BYTES = 2**30
"""Largest content that is read; the largest known data set of this kind, EMNIST's `byclass`, has half of it."""


def read_labelled(images: Path, labels: Path, classes: range) -> Arrays:
    """Gray images and their labels.

    Args:
        images: file of `[N, H, W]` pixels.
        labels: file of `[N]` labels.
        classes: the labels that there may be.

    Returns:
        Images `[N, 1, H, W]`, uint8, and int64 targets `[N]` that count the classes from 0.

    Raises:
        DataError: a file that `read_idx` refuses, another number of labels than of images, or a label of no class.
    """
    pixels, targets = read_idx(images, 3).unsqueeze(1), read_idx(labels, 1).to(torch.int64)
    if len(pixels) != len(targets):
        raise DataError(f"{labels} has {many(len(targets), 'label')}, but {images} has {many(len(pixels), 'image')}")
    strange = (targets < classes.start) | (targets >= classes.stop)
    if strange.any():
        index = int(strange.nonzero()[0])
        raise DataError(
            f"{labels}: label {index} (counted from 0) must be from {classes.start} to {classes.stop - 1} "
            f"but is {int(targets[index])}"
        )
    return Arrays(pixels, targets - classes.start)


def read_idx(path: Path, num_dims: int) -> Tensor:
    """A file's values, uint8, in `num_dims` dimensions.

    Args:
        path: the file; one whose name ends in `.gz` is unpacked.
        num_dims: dimensions that it must have, none of which may be 0.

    Raises:
        DataError: a file that cannot be read or unpacked, another magic number, a file without values, one that is
            shorter or longer than its header says, or larger than `MAX_BYTES`.
    """
    try:
        return torch.from_numpy(read_once(f"idx {num_dims}", [path], partial(_read, path, num_dims)))
    except (OSError, EOFError, isal_zlib.error) as error:  # type: ignore[misc]  # its stub makes it an instance
        raise DataError(f"{path} cannot be read: {error}") from error


def _read(path: Path, num_dims: int) -> np.ndarray:
    with igzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        return _content(path, file, num_dims)


def _content(path: Path, file: BufferedIOBase, num_dims: int) -> np.ndarray:
    header_size = 4 * (1 + num_dims)
    header, magic = file.read(header_size), bytes([0, 0, 8, num_dims])
    if header[:4] != magic[: len(header)]:
        raise DataError(
            f"{path} is no IDX file of unsigned bytes in {num_dims} dimensions: it must begin with {magic.hex()} "
            f"but begins with {header[:4].hex()}"
        )
    if len(header) < header_size:
        raise DataError(f"{path} is cut short: its header must have {header_size} bytes but has {len(header)}")
    shape = [int.from_bytes(header[i : i + 4], "big") for i in range(4, header_size, 4)]
    size, named = prod(shape), " × ".join(map(str, shape))
    if not 0 < size <= MAX_BYTES:
        raise DataError(f"{path} says that it holds {named} values; there must be from 1 to {MAX_BYTES}")
    content = np.empty(size, np.uint8)
    found = file.readinto(content.data)
    if found < size:
        raise DataError(f"{path} is cut short: its header says {named} values, but {found} follow")
    if file.read(1):  # an archive's check sum is read here too
        raise DataError(f"{path} goes on after the {named} values that its header says")
    return content.reshape(shape)
