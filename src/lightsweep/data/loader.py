"""Two sources of prepared batches with one face: the split on the device, or a DataLoader with worker processes.

`TrainLoader` hands Lightning one `Chunk` for several optimizer steps; the training step pulls the batches out of it.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from multiprocessing.queues import Queue
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from lightsweep.data.files import ImageFiles
from lightsweep.data.order import BatchOrder, shard
from lightsweep.data.spec import Arrays
from lightsweep.data.transform import Normalize, RandomAffine, RandomShift, Transforms
from lightsweep.errors import DataError

Batch = tuple[Tensor, Tensor]

FLOAT_CACHE_BYTES = 2**30
"""Normalised copies of up to this size are kept; larger splits stay as stored and are normalised batch by batch."""

_UNSENT = 74
"""Exit code of a worker whose batch cannot be sent: EX_IOERR."""

_WORKERS_BEGIN = "fork" if sys.platform == "linux" else None
"""Not as Python 3.14 would have it, where each worker of each epoch imports torch anew."""


@dataclass(frozen=True)
class Preparation:
    """What happens to a batch once it is on the device: all are normalised, those of training augmented then."""

    normalize: Normalize
    affine: RandomAffine
    shift: RandomShift
    transforms: Transforms

    def augment(self, inputs: Tensor) -> Tensor:
        """Change normalised training inputs at random."""
        return self.shift(self.affine(inputs))

    def training(self, stored: Tensor) -> Tensor:
        """Training inputs from examples as they are stored."""
        return self.augment(self.normalize(self.transforms(stored)))


class DeviceBatches:
    """A split that lies on the device as tensors; a batch is one gather.

    Args:
        arrays: the split.
        preparation: applied to the whole split at once where nothing in it is random, else to each batch.
        device: where the split is kept.
    """

    def __init__(self, arrays: Arrays, preparation: Preparation, device: torch.device) -> None:
        self.preparation = preparation
        inputs = preparation.normalize.rounded(arrays.inputs).to(device)
        size = inputs.numel() * preparation.normalize.dtype.itemsize
        self.cached = size <= FLOAT_CACHE_BYTES and not preparation.transforms.steps
        self.arrays = Arrays(preparation.normalize(inputs) if self.cached else inputs, arrays.targets.to(device))

    def __len__(self) -> int:
        return len(self.arrays)

    def gather(self, batches: list[Tensor]) -> Iterator[Batch]:
        """Prepared training batches `([B, ...], [B])` for vectors of indices."""
        inputs, targets = self.arrays.inputs, self.arrays.targets
        prepare = self.preparation.augment if self.cached else self.preparation.training
        if targets.device.type != "cpu" and batches:  # all at once: each copy costs as much as a kernel
            together = torch.cat(batches).to(targets.device, non_blocking=True)
            batches = list(together.split([len(indices) for indices in batches]))
        for indices in batches:
            yield prepare(inputs.index_select(0, indices)), targets.index_select(0, indices)

    def slices(self, parts: Iterator[slice]) -> Iterator[Batch]:
        """Evaluation batches: normalised, not augmented."""
        for part in parts:
            inputs = self.arrays.inputs[part]
            yield inputs if self.cached else self.preparation.normalize(inputs), self.arrays.targets[part]


class WorkerBatches:
    """A split that a DataLoader's processes read; batches are prepared after they reach the device.

    Gives the same batches as `DeviceBatches` for the same indices.
    """

    def __init__(
        self, arrays: Arrays | ImageFiles, preparation: Preparation, device: torch.device, num_workers: int
    ) -> None:
        self.arrays = arrays
        self.preparation, self.device, self.num_workers = preparation, device, num_workers

    def __len__(self) -> int:
        return len(self.arrays)

    def gather(self, batches: list[Tensor]) -> Iterator[Batch]:
        """Prepared training batches `([B, ...], [B])` for vectors of indices."""
        for inputs, targets in self._load([batch.tolist() for batch in batches]):
            yield self.preparation.training(inputs), targets

    def slices(self, parts: Iterator[slice]) -> Iterator[Batch]:
        """Evaluation batches: normalised, not augmented."""
        for inputs, targets in self._load([list(range(part.start, part.stop)) for part in parts]):
            yield self.preparation.normalize(inputs), targets

    def _load(self, batches: list[list[int]]) -> Iterator[Batch]:
        loader: DataLoader = DataLoader(
            self.arrays,  # type: ignore[arg-type]  # which has all that is asked of a Dataset
            batch_size=None,
            sampler=batches,  # each is read at once: stacking its examples takes longer than gathering them
            num_workers=self.num_workers,
            multiprocessing_context=_WORKERS_BEGIN if self.num_workers else None,
            worker_init_fn=_end_by_what_cannot_be_sent,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # the default one must not be drawn from: it drives dropout and augmentation
        )
        for inputs, targets in _named(loader):
            inputs = self.preparation.normalize.rounded(inputs)
            yield inputs.to(self.device, non_blocking=True), targets.to(self.device, non_blocking=True)


def _end_by_what_cannot_be_sent(_: int) -> None:
    """Let a worker die by a batch that does not fit into shared memory: the run would wait for it for ever."""

    def die(error: Exception, batch: Any) -> NoReturn:
        os._exit(_UNSENT)

    Queue._on_queue_feeder_error = staticmethod(die)  # type: ignore[attr-defined]


def _named(loader: DataLoader) -> Iterator[Batch]:
    """A worker's error comes with its traceback; of one that was raised on purpose the last line says all."""
    try:
        yield from loader
    except DataError as error:
        last = str(error).rstrip().splitlines()[-1]
        raise DataError(last.partition(f"{DataError.__name__}: ")[2] or last) from None
    except RuntimeError as error:
        told = str(error.__cause__ if isinstance(error.__cause__, RuntimeError) else error)
        if not told.startswith("DataLoader worker"):
            raise
        why = "; a batch does not fit into shared memory, /dev/shm" if f"exit code {_UNSENT}." in told else ""
        remedy = "give less at a time (data.batch_size, data.num_workers), or data.num_workers=0"
        raise DataError(f"{told.partition('. ')[0].rstrip('.')}{why}: {remedy}") from None


Batches = DeviceBatches | WorkerBatches


@dataclass
class Chunk:
    """Consecutive batches of one epoch, pulled one after the other by the training step.

    Attributes:
        start: number of the first batch within its epoch.
        sizes: number of examples of each global batch in the chunk.
        batches: this process's prepared batches; an iterator, so take each once.
    """

    start: int
    sizes: list[int]
    batches: Iterator[Batch]

    def to(self, *args: Any, **kwargs: Any) -> "Chunk":
        """The chunk itself: its batches are on the device already. Lightning asks every batch."""
        return self


class TrainLoader:
    """What Lightning iterates over in training: the chunks of an epoch.

    Args:
        batches: the split.
        order: which examples make up which batch.
        chunk: batches in a chunk; the last one of an epoch may be shorter.
    """

    def __init__(self, batches: Batches, order: BatchOrder, chunk: int) -> None:
        self.batches, self.order, self.chunk = batches, order, chunk
        self.epoch = 0
        self.skip = 0
        """Batches of the coming epoch that were trained on before."""

    def __len__(self) -> int:
        return -(-len(self.order) // self.chunk)

    @property
    def behind(self) -> int:
        """Chunks of the coming epoch that have nothing left, and are not given."""
        return len(self) if self.skip >= len(self.order) else self.skip // self.chunk

    def __iter__(self) -> Iterator[Chunk]:
        sizes, skip = self.order.sizes, self.skip
        stream = self.batches.gather(self.order.epoch(self.epoch)[skip:])
        for start in range(self.behind * self.chunk, len(self.order), self.chunk):
            stop = min(start + self.chunk, len(self.order))
            first = max(start, skip)
            yield Chunk(first, sizes[first:stop], islice(stream, stop - first))


class EvalLoader:
    """What Lightning iterates over in validation and test: prepared batches, in order.

    Args:
        batches: the split.
        batch_size: examples in a batch.
        rank, world_size: which part of how many this process gets.
        limit: batches that are used, over all processes: a count or a share.
    """

    def __init__(self, batches: Batches, batch_size: int, rank: int, world_size: int, limit: int | float) -> None:
        self.batches = batches
        self.parts = list(shard(len(batches), batch_size, rank, world_size, limit))

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[Batch]:
        return self.batches.slices(iter(self.parts))
