"""Losses and counts of a chunk: kept on the device while the steps are made, read in one go when it ends."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lightsweep.errors import INTERRUPTING, ConfigError
from lightsweep.models.tasks import Task

COUNT_ELEMENTS = 2**20
"""Outputs kept for counting before they are counted; bounds the memory of a chunk."""


@dataclass
class Sums:
    """What the steps since the last reading add up to: losses of all examples, right predictions, and examples."""

    loss: float = 0.0
    correct: int = 0
    examples: int = 0

    def add(self, batches: Sequence[tuple[float, float]], correct: int) -> None:
        """Add the mean loss and the size of some batches, and the right predictions in all of them.

        One loss after the other: so the bits do not tell where a chunk was cut in two.
        """
        for loss, size in batches:
            self.loss += loss * size
            self.examples += int(size)
        self.correct += correct


class Tally:
    """What was not read yet.

    Args:
        task: counts right predictions.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self._clear()

    def add(self, loss: Tensor, size: int, outputs: Tensor, targets: Tensor) -> None:
        """Keep a batch.

        Args:
            loss: mean over the batch, a scalar without gradient.
            size: examples in it.
            outputs: `[size, …]` without gradient.
            targets: `[size, …]`.
        """
        self._losses.append(loss)
        self._sizes.append(size)
        self._outputs.append(outputs)
        self._targets.append(targets)
        self._elements += outputs.numel()
        if self._elements > COUNT_ELEMENTS:
            self._count()

    def add_nothing(self, device: torch.device) -> None:
        """Keep the place of a batch of which this process has no part."""
        self._losses.append(torch.zeros((), device=device))
        self._sizes.append(0)

    def read(self, alone: bool, signal_number: int, device: torch.device) -> tuple[list[tuple[float, float]], int, int]:
        """Take everything off the device.

        Args:
            alone: whether there is one process; else all of them call this together, also where there was no batch,
                and the sums are over all of them, and equal on all.
            signal_number: a signal of `INTERRUPTING` that this process got, 0 for none.
            device: where the losses are.

        Returns:
            Mean loss and size of each global batch, the right predictions in all of them, and a signal that some
            process got (0 for none; of several the same one on all).
        """
        if alone and not self._losses:
            return [], 0, signal_number
        if self._losses and self._losses[0].dim():
            kind = f"`model`: the loss of {type(self.task).__name__}"
            raise ConfigError(f"{kind} must be one number, the batch's mean, but has shape {[*self._losses[0].shape]}")
        self._count()
        losses = torch.stack(self._losses) if self._losses else torch.zeros(0, device=device)
        correct = torch.stack(self._correct).sum() if self._correct else torch.zeros((), device=device)
        sizes = self._sizes
        self._clear()
        if alone:
            return list(zip(losses.tolist(), sizes, strict=True)), int(correct), signal_number
        size = torch.tensor(sizes, dtype=torch.float64, device=device)
        signals = [float(number == signal_number) for number in INTERRUPTING]  # each its own sum: they may differ
        more = torch.tensor([float(correct), *signals], dtype=torch.float64, device=device)
        flat = torch.cat([losses.double() * size, size, more])
        torch.distributed.all_reduce(flat)
        summed, size, counts = flat.tensor_split([len(losses), 2 * len(losses)])
        hits, *asked = counts.tolist()
        number = next((int(number) for number, ranks in zip(INTERRUPTING, asked, strict=True) if ranks), 0)
        return list(zip((summed / size).tolist(), size.tolist(), strict=True)), int(hits), number

    def _clear(self) -> None:
        self._losses: list[Tensor] = []
        self._sizes: list[int] = []
        self._outputs: list[Tensor] = []
        self._targets: list[Tensor] = []
        self._correct: list[Tensor] = []
        self._elements = 0

    def _count(self) -> None:
        if self.task.counts and self._outputs:
            self._correct.append(self.task.correct(torch.cat(self._outputs), torch.cat(self._targets)))
        self._outputs, self._targets, self._elements = [], [], 0
