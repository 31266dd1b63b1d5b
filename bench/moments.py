"""Lightning callbacks that note when things happen; they touch neither the model nor the data."""

import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer


def now(device: torch.device | None = None) -> float:
    """Seconds on the monotonic clock, after the device has done what it was given."""
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.monotonic()


class Moments(Callback):
    """When epochs and batches began and ended; where it stands among the callbacks decides what lies between."""

    def __init__(self) -> None:
        self.epoch_starts: list[float] = []
        self.first_batch_starts: list[float] = []
        self.last_batch_ends: list[float] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the time."""
        self.epoch_starts.append(now(pl_module.device))

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Note the time of an epoch's first batch."""
        if batch_idx == 0:
            self.first_batch_starts.append(now(pl_module.device))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the time of an epoch's last batch."""
        if trainer.is_last_batch:
            self.last_batch_ends.append(now(pl_module.device))


class EpochSeconds(Callback):
    """Writes the seconds of each epoch: training, validation, checkpoint and logging.

    Args:
        path: a JSON file, written when training ends.
    """

    def __init__(self, path: str) -> None:
        self.path, self.moments = Path(path), []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the time; the epoch before has ended."""
        self.moments.append(now(pl_module.device))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the seconds."""
        moments = [*self.moments, now(pl_module.device)]
        self.path.write_text(json.dumps([b - a for a, b in pairwise(moments)]), encoding="utf-8")


class FirstStep(Callback):
    """Writes when the first training step had been made.

    Args:
        path: a JSON file, written at once.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write the time."""
        if not self.path.exists():
            self.path.write_text(json.dumps(now(pl_module.device)), encoding="utf-8")
