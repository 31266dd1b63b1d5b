"""A split whose images lie in files: decoded all at once into memory, or one by one as batches ask for them."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lightsweep.data.picture import Framing, open_image
from lightsweep.data.shared import read_once
from lightsweep.data.spec import Arrays
from lightsweep.errors import DataError


@dataclass(frozen=True)
class ImageFiles:
    """Image files with their classes.

    Attributes:
        paths: one file an example.
        targets: `[N]`, int64 class indices.
        framing: what each becomes.
    """

    paths: Sequence[Path]
    targets: Tensor
    framing: Framing

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def nbytes(self) -> int:
        """Memory of the split when it is read, in bytes."""
        return len(self) * prod(self.framing.shape)

    def take(self, indices: Tensor) -> "ImageFiles":
        """The examples at `indices`."""
        return ImageFiles([self.paths[i] for i in indices.tolist()], self.targets[indices], self.framing)

    def read(self) -> Arrays:
        """All images, uint8 `[N, C, H, W]`, decoded by as many threads as there are cores.

        Raises:
            DataError: files that cannot be read; the first is named, and how many more there are.
        """
        images = read_once(f"images {self.framing}", self.paths, self._decoded)
        return Arrays(torch.from_numpy(images), self.targets)

    def _decoded(self) -> np.ndarray:
        images = np.empty((len(self), *self.framing.shape), dtype=np.uint8)

        def decode(index: int) -> DataError | None:
            try:
                images[index] = self.framing(open_image(self.paths[index])).numpy()
            except DataError as error:
                return error
            return None

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            damaged = [error for error in pool.map(decode, range(len(self))) if error is not None]
        if damaged:
            more = f" (nor can {len(damaged) - 1} more)" if len(damaged) > 1 else ""
            raise DataError(f"{damaged[0]}{more}")
        return images

    def __getitem__(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        """A whole batch, for a DataLoader, whose processes decode."""
        images = torch.empty(len(indices), *self.framing.shape, dtype=torch.uint8)
        for image, index in zip(images, indices, strict=True):
            image.copy_(self.framing(open_image(self.paths[index])))
        return images, self.targets[indices]
