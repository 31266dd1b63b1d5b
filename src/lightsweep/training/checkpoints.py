"""Checkpoints: plain data in whole files; the last one, and the best by the monitored metric."""

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from lightsweep.errors import Interrupted, RunFolderError
from lightsweep.files import write_whole
from lightsweep.paths import RunPaths
from lightsweep.training.clock import Clock


class PlainCheckpointIO(CheckpointIO):
    """Writes atomically, reads with `weights_only=True`."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint whole or not at all."""
        write_whole(Path(path), lambda file: torch.save(checkpoint, file))

    def load_checkpoint(self, path: Any, map_location: Any = "cpu", weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint; see `load`."""
        return load(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a checkpoint if it is there."""
        Path(path).unlink(missing_ok=True)


def load(path: Path) -> dict[str, Any]:
    """A checkpoint's contents, on the CPU.

    Raises:
        RunFolderError: no such file, one that is cut short or damaged, or one that holds more than plain data.
    """
    if not path.is_file():
        raise RunFolderError(f"{path} is no checkpoint: there is no such file")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise RunFolderError(
            f"{path} is damaged or holds more than plain data, and was not loaded: {_reason(error)}"
        ) from None
    except (RuntimeError, EOFError, OSError, zipfile.BadZipFile, ValueError, KeyError) as error:
        raise RunFolderError(f"{path} is cut short or damaged: {_reason(error)}") from None
    if not isinstance(found, dict) or "state_dict" not in found:
        raise RunFolderError(f"{path} is no checkpoint of a run: it holds no state_dict")
    return found


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]


class Checkpoints(Checkpoint):
    """Saves `last.ckpt` after each epoch, and keeps it as `best.ckpt` when the monitored metric is the best so far.

    Args:
        paths: the run's files.
        monitor: name of the metric among those that Lightning's callbacks see.
        mode: `min` or `max`.
        clock: told what the saving takes.

    Attributes:
        best: value of the metric at the best checkpoint, None before there is one. NaN never counts as better.
        best_metrics: all metrics that were known then.
    """

    def __init__(self, paths: RunPaths, monitor: str, mode: str, clock: Clock) -> None:
        self.paths, self.monitor, self.mode, self.clock = paths, monitor, mode, clock
        self.best: float | None = None
        self.best_metrics: dict[str, float] = {}
        self._validated = True

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that the monitored metric is new."""
        self._validated = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save."""
        with self.clock.part("checkpoint"):
            better = self._validated and self._is_better(trainer)
            self.save(trainer)
            if better and trainer.is_global_zero:
                _link(self.paths.last, self.paths.best)
        self._validated = self.monitor.startswith("train/")

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Save where a signal interrupts the run."""
        if isinstance(exception, Interrupted) and trainer.state.fn == "fit":
            self.save(trainer)

    def save(self, trainer: Trainer) -> None:
        """Write `last.ckpt`, keeping the one before as `previous.ckpt`; all processes call this together."""
        if trainer.is_global_zero and self.paths.last.is_file():
            _link(self.paths.last, self.paths.previous)
        trainer.save_checkpoint(self.paths.last)

    def _is_better(self, trainer: Trainer) -> bool:
        metrics = dict(trainer.lightning_module.evaluated)  # type: ignore[arg-type]
        value = metrics.get(self.monitor)
        if value is None or value != value:
            return False
        if self.best is not None and not (value < self.best if self.mode == "min" else value > self.best):
            return False
        self.best, self.best_metrics = value, metrics
        return True

    def state_dict(self) -> dict[str, Any]:
        """The best value so far."""
        return {"best": self.best, "best_metrics": self.best_metrics}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best value so far."""
        self.best, self.best_metrics = state_dict["best"], state_dict["best_metrics"]


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, replacing what bore it; a copy where the file system has no hard links."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    try:
        os.link(source, part)
    except OSError:
        write_whole(part, lambda file: file.write(source.read_bytes()))
    os.replace(part, target)
