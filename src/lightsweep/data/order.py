"""Which examples make up which batch: one seeded permutation an epoch, the same whatever loader reads it."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class BatchOrder:
    """The batches of every epoch.

    A batch is global: under DDP each of `world_size` processes takes its own part of it, without overlap, so that the
    same seed gives the same global batches on any number of processes. The last batch of an epoch may be short; with
    fewer examples than processes, some processes get none of it.

    Attributes:
        num_examples: size of the split.
        batch_size: examples in a global batch.
        seed: an epoch's permutation depends on this and on the epoch's number alone.
        limit: batches of an epoch: a count, or a share of all.
    """

    num_examples: int
    batch_size: int
    seed: int
    rank: int = 0
    world_size: int = 1
    limit: int | float = 1.0

    def __len__(self) -> int:
        return limited(-(-self.num_examples // self.batch_size), self.limit)

    @property
    def sizes(self) -> list[int]:
        """Number of examples in each global batch of an epoch."""
        return [min(self.batch_size, self.num_examples - i * self.batch_size) for i in range(len(self))]

    def epoch(self, number: int) -> list[Tensor]:
        """This process's int64 example indices, one vector for each batch of an epoch (counted from 0)."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + number)
        batches = torch.randperm(self.num_examples, generator=generator).split(self.batch_size)[: len(self)]
        if self.world_size == 1:
            return list(batches)
        return [batch[self.rank :: self.world_size] for batch in batches]


def shard(num_examples: int, batch_size: int, rank: int, world_size: int, limit: int | float) -> Iterator[slice]:
    """Contiguous evaluation batches of one process; together the processes cover each example once.

    `limit` counts batches over all processes, as for one. All processes have equally many batches, since the parts of a
    network that is cut up come together for each: what is left for less than one each is divided among them, and a
    process may get an empty batch.
    """
    num_batches = limited(-(-num_examples // batch_size), limit)
    whole = num_batches - num_batches % world_size
    for index in range(rank, whole, world_size):
        yield slice(index * batch_size, min((index + 1) * batch_size, num_examples))
    if whole < num_batches:
        start, stop = whole * batch_size, min(num_examples, num_batches * batch_size)
        yield slice(*(start + part * (stop - start) // world_size for part in (rank, rank + 1)))


def limited(num_batches: int, limit: int | float) -> int:
    """How many batches are used: at most a count (int), or a share of all (float, at least one), rounded down.

    0.29 of 100 is 29, though a computer's 0.29 · 100 is a little less.
    """
    return min(num_batches, limit) if isinstance(limit, int) else max(1, int(round(num_batches * limit, 6)))
