"""One training run inside this process, with metrics, TensorBoard and the progress bar on, for others to time."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from rich.console import Console

from bench.moments import Moments
from lightsweep import paths
from lightsweep.config import check
from lightsweep.training.build import Parts, build
from lightsweep.training.clock import Clock
from lightsweep.training.signals import StopRequest
from lightsweep.training.trainer import lightning_silenced


@dataclass
class Session:
    """A run that is built and not yet started.

    Attributes:
        parts: model, data, trainer.
        before: notes moments ahead of every other callback.
        after: notes moments behind them all.
    """

    parts: Parts
    before: Moments
    after: Moments

    @property
    def device(self) -> torch.device:
        """Where it trains."""
        return self.parts.trainer.strategy.root_device

    @property
    def bf16(self) -> bool:
        """Whether it trains under bf16 autocast."""
        return self.parts.model.autocast_dtype == torch.bfloat16

    def fit(self, *callbacks: Callback) -> None:
        """Train, with further callbacks behind all others."""
        trainer = self.parts.trainer
        trainer.callbacks = [self.before, *trainer.callbacks, self.after, *callbacks]  # type: ignore[attr-defined]
        trainer.fit(self.parts.model, datamodule=self.parts.datamodule)
        self.parts.bar.close()


@contextmanager
def session(*overrides: str) -> Iterator[Session]:
    """Build a run from Hydra overrides; its folder is gone after the block.

    The bar is drawn as in a terminal of 120 columns, into the null device.
    """
    with (
        lightning_silenced(),
        tempfile.TemporaryDirectory() as folder,
        open(os.devnull, "w", encoding="utf-8") as nowhere,
    ):
        with initialize_config_dir(str(paths.conf_dir()), version_base="1.3"):
            cfg = compose("train", list(overrides))
        check(cfg)
        seed_everything(cfg.seed, workers=True, verbose=False)
        parts = build(cfg, paths.RunPaths(Path(folder)), Clock(), StopRequest())
        parts.bar.console = Console(file=nowhere, force_terminal=True, width=120)
        yield Session(parts, Moments(), Moments())


class ChunkEnd(Callback):
    """Calls a function after each of our chunks, with the epoch's number and its batches so far."""

    def __init__(self, call: Callable[[int, int], Any]) -> None:
        self.call = call

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Call it."""
        self.call(trainer.current_epoch, batch.start + len(batch.sizes))


class FirstBatchEnd(Callback):
    """Calls a function in the middle of each epoch's training, after its first chunk."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Call it."""
        if batch_idx == 0:
            self.call()
