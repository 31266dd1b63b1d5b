"""Checkpoints: plain data in whole files; the last one, and the best by the monitored metric."""

import math
import os
import pickle
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from torch import nn

from lightsweep.errors import Interrupted, RunFolderError, lines_of
from lightsweep.files import link, write_whole
from lightsweep.paths import RunPaths
from lightsweep.training.clock import Clock
from lightsweep.training.plain_data import refuse_unloadable
from lightsweep.training.sharding import load_weights


class PlainCheckpointIO(CheckpointIO):
    """Writes atomically, reads with `weights_only=True`.

    Attributes:
        at_hand: a file that was read already, and what it holds: what is loaded next, and once.
    """

    def __init__(self) -> None:
        self.at_hand: tuple[Path, dict[str, Any]] | None = None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint whole or not at all.

        Raises:
            ConfigError: it holds what could not be loaded.
            OSError: as `write_whole` does; torch.save hides what the file says behind an error of its own.
        """
        refuse_unloadable(checkpoint)

        def write(file: BinaryIO) -> None:
            watched = _Watched(file)
            try:
                torch.save(checkpoint, cast(BinaryIO, watched))
            except RuntimeError:
                if watched.refused is not None:
                    raise watched.refused from None
                raise

        write_whole(Path(path), write)

    def load_checkpoint(self, path: Any, map_location: Any = "cpu", weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint; see `load`."""
        at_hand, self.at_hand = self.at_hand, None
        return at_hand[1] if at_hand is not None and at_hand[0] == Path(path) else load(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a checkpoint if it is there."""
        Path(path).unlink(missing_ok=True)


class _Watched:
    """A file for torch.save that remembers a refusal."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.flush = file, file.flush
        self.refused: OSError | None = None

    def write(self, data: Any) -> int:
        """Write bytes."""
        try:
            return self._file.write(data)
        except OSError as error:
            self.refused = error
            raise


def _is_whole(path: Path) -> bool:
    """Whether torch.save's archive is what it was written as; False of another file, which has nothing to tell it by.

    torch does not look at the archive's checksums, so flipped bits would load as something else. They are against
    accidents, not against a forger; whom they cost too much time can have torch leave them out, and then all are 0.

    Raises:
        RunFolderError: it is not.
    """
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        if any(entry.CRC for entry in archive.infolist()) and archive.testzip() is not None:
            raise RunFolderError(f"{path} is damaged: what it holds is not what was written into it")
    return True


def load(path: Path) -> dict[str, Any]:
    """A run's checkpoint's contents, on the CPU.

    Raises:
        RunFolderError: see `read`; or another file.
    """
    return _of_run(read(path), path)


def load_weights_alone(path: Path) -> dict[str, Any]:
    """The weights of a run's checkpoint, to be copied; its optimizer's state is not brought into memory.

    Raises:
        RunFolderError: as `load` does.
    """
    weights: dict[str, Any] = _of_run(read(path, mapped=True), path)["state_dict"]
    return weights


def _of_run(found: Any, path: Path) -> dict[str, Any]:
    if not isinstance(found, dict) or "state_dict" not in found:
        raise RunFolderError(f"{path} is no checkpoint of a run: it holds no state_dict")
    return found


def take_up(model: nn.Module, weights: dict[str, Any]) -> None:
    """Give a model the weights of a checkpoint.

    Raises:
        RunFolderError: they do not fit.
    """
    try:
        load_weights(model, weights)
    except RuntimeError as error:
        raise RunFolderError(f"the checkpoint does not fit the model: {lines_of(error)[-1]}") from error


def read(path: Path, mapped: bool = False) -> Any:
    """What torch.save wrote into a file, on the CPU.

    Args:
        path: the file.
        mapped: for those who copy what they need: tensors are read where they are looked at. A file of torch's older
            format, which cannot be mapped, is read whole all the same.

    Raises:
        RunFolderError: no such file, one that is cut short or damaged, or one that holds more than plain data.
    """
    if not path.is_file():
        raise RunFolderError(f"{path} is no checkpoint: there is no such file")
    try:
        archive = _is_whole(path)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Detected pickle protocol")  # not ours: it will be refused
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped and archive)
    except RunFolderError:
        raise
    except pickle.UnpicklingError as error:
        raise RunFolderError(
            f"{path} is damaged or holds more than plain data, and was not loaded: {_reason(error)}"
        ) from None
    except Exception as error:  # what a flipped bit makes of a pickle has no common class
        raise RunFolderError(f"{path} is cut short or damaged: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return lines_of(error)[0].partition(". ")[0][:160]


class Checkpoints(Checkpoint):
    """Saves `last.ckpt` after each epoch and now and then within it; keeps the best one as `best.ckpt`.

    Args:
        paths: the run's files.
        monitor: name of the metric among those that Lightning's callbacks see.
        mode: `min` or `max`.
        clock: told what the saving takes.
        every_n_steps: optimizer steps within an epoch between two savings; None for no such limit.
        every_minutes: the same in minutes.

    Attributes:
        best: value of the metric at the best checkpoint, None before there is one. NaN and infinity are never best.
        best_metrics: all metrics of that checkpoint; where it was not validated, without those of a validation.
        resumed_from: the checkpoint that the run goes on from, if any.
    """

    def __init__(
        self,
        paths: RunPaths,
        monitor: str,
        mode: str,
        clock: Clock,
        every_n_steps: int | None = None,
        every_minutes: float | None = None,
    ) -> None:
        self.paths, self.monitor, self.mode, self.clock = paths, monitor, mode, clock
        self.every_n_steps, self.every_minutes = every_n_steps, every_minutes
        self.best: float | None = None
        self.best_metrics: dict[str, float] = {}
        self.resumed_from: Path | None = None
        self._is_best = self._validated = False
        self._saved_step, self._saved_at, self._began = 0, 0.0, False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count from here; a run that was killed between a best checkpoint and its second name gives it that name."""
        self._name_best(trainer)
        self._is_best = False
        self._saved_step, self._saved_at, self._began = trainer.global_step, time.monotonic(), True

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """See to that name also where no epoch is left, and so none starts."""
        self._name_best(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """See to the validation at the end of a run that was stopped in it."""
        stepper: Any = pl_module.stepper
        if stepper.is_at_end:
            self._validate_at_least_once(trainer)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any) -> None:
        """Save within an epoch when it is due; `build` lets a chunk of steps end there.

        Raises:
            Interrupted: a signal asked the run to stop; all other callbacks were told of the chunk.
        """
        pl_module.stepper.raise_if_interrupted()  # type: ignore[union-attr, operator]
        if trainer.should_stop:
            self._validate_at_least_once(trainer)
        if self._due(trainer):
            with self.clock.part("checkpoint"):
                self.save(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that the metrics of the validation are new."""
        self._validated = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save."""
        with self.clock.part("checkpoint"):
            self._is_best = self._beats(trainer)
            self.save(trainer)
            if self._is_best and trainer.is_global_zero:
                link(self.paths.last, self.paths.best)
        self._is_best = self._validated = False

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Save where a signal interrupts the run; before its first step there is nothing to save."""
        if isinstance(exception, Interrupted) and trainer.state.fn == "fit" and self._began:
            self.save(trainer)

    def save(self, trainer: Trainer) -> None:
        """Write `last.ckpt`, keeping the one before as `previous.ckpt`; all processes call this together."""
        trainer.save_checkpoint(self.paths.next)
        if trainer.is_global_zero:
            if self.paths.last.is_file():  # and is there at every moment, for who reads it or goes on after a kill
                link(self.paths.last, self.paths.previous, or_rename=True)
            os.replace(self.paths.next, self.paths.last)
        self._saved_step, self._saved_at = trainer.global_step, time.monotonic()

    def _name_best(self, trainer: Trainer) -> None:
        if self._is_best and self.resumed_from is not None and trainer.is_global_zero:
            link(self.resumed_from, self.paths.best)

    def _validate_at_least_once(self, trainer: Trainer) -> None:
        """A run that ends before its first validation ends with one, so that it has a best checkpoint."""
        if self.best is None and self.monitor.startswith("val/"):
            trainer.check_val_every_n_epoch = 1

    def _due(self, trainer: Trainer) -> bool:
        if self.every_n_steps is not None and trainer.global_step - self._saved_step >= self.every_n_steps:
            return True
        if self.every_minutes is None:
            return False
        late = time.monotonic() - self._saved_at >= 60 * self.every_minutes
        return late if trainer.world_size == 1 else trainer.strategy.reduce_boolean_decision(late, all=False)

    def _beats(self, trainer: Trainer) -> bool:
        evaluated: Any = trainer.lightning_module.evaluated
        metrics = {name: value for name, value in evaluated.items() if self._validated or not name.startswith("val/")}
        value = metrics.get(self.monitor)
        if value is None or not math.isfinite(value):
            return False
        if self.best is not None and not (value < self.best if self.mode == "min" else value > self.best):
            return False
        self.best, self.best_metrics = value, metrics
        return True

    def state_dict(self) -> dict[str, Any]:
        """The best value so far."""
        return {"best": self.best, "best_metrics": self.best_metrics, "is_best": self._is_best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best value so far."""
        self.best, self.best_metrics = state_dict["best"], state_dict["best_metrics"]
        self._is_best = state_dict["is_best"]
