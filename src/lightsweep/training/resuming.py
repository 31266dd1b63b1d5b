"""Where a resumed run goes on, and that only one process at a time writes into a run's folder."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from lightning.pytorch.utilities import rank_zero_only

from lightsweep.errors import ConfigError, RunFolderError
from lightsweep.files import discard_parts
from lightsweep.holding import busy
from lightsweep.paths import RunPaths
from lightsweep.screen import many
from lightsweep.training.build import Parts
from lightsweep.training.checkpoints import load


def resume_from(parts: Parts, paths: RunPaths) -> Path | None:
    """The checkpoint to go on from; None if the run was stopped before its first.

    What was logged after it is forgotten. A damaged `last.ckpt` is named on stderr, and the one
    before it is taken.

    Raises:
        RunFolderError: there are checkpoints, but all of them are damaged, or the one to take lacks a part.
        ConfigError: the run is to be shorter than it is already.
    """
    found = [path for path in (paths.last, paths.previous) if path.is_file()]
    for path in found:
        try:
            checkpoint = load(path)
        except RunFolderError as error:
            if path == found[-1]:
                raise
            print(f"warning: {error}; going on from {found[-1].name}", file=sys.stderr)
            continue
        _refuse_incomplete(path, checkpoint, parts)
        _refuse_shorter(checkpoint, parts)
        parts.recorder.rewind(checkpoint["files"])
        parts.checkpoints.resumed_from = path
        parts.trainer.strategy.checkpoint_io.at_hand = path, checkpoint  # type: ignore[attr-defined]
        return path
    parts.recorder.rewind({})
    return None


def replace_run(paths: RunPaths) -> None:
    """Remove what an earlier run left in the folder of one that begins anew, and say so; other files stay."""
    if getattr(rank_zero_only, "rank", 0) != 0 or not paths.result.is_file():
        return
    print(f"note: {paths.folder} held a run, which this one replaces", file=sys.stderr)
    for folder in (paths.checkpoints, paths.predictions, paths.exports, paths.tensorboard):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (paths.metrics, paths.data, paths.result, paths.logger_runs):
        file.unlink(missing_ok=True)


def _refuse_incomplete(path: Path, checkpoint: dict[str, Any], parts: Parts) -> None:
    """Lightning would go on without what a checkpoint lacks."""
    callbacks, optimizers = checkpoint.get("callbacks"), checkpoint.get("optimizer_states")
    wanted = {parts.conductor.state_key, parts.checkpoints.state_key}
    whole = isinstance(callbacks, dict) and wanted <= callbacks.keys() and isinstance(checkpoint.get("files"), dict)
    if not whole or not isinstance(optimizers, list) or len(optimizers) != len(parts.stepper.optimizers):
        raise RunFolderError(f"{path} does not fit this run: it lacks a part of what a run's checkpoint holds")


def _refuse_shorter(checkpoint: dict[str, Any], parts: Parts) -> None:
    """Lightning would end a run that has had more steps than it now may have as if it had had these."""
    try:
        stepper = checkpoint["callbacks"][parts.conductor.state_key]["stepper"]
        whole = checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["completed"]
        epochs, steps = int(whole) + (stepper["batches"] > 0), int(stepper["steps"])
    except (LookupError, TypeError, ValueError):  # of another shape, which is told when it is taken up
        return
    limits = {"epoch": (epochs, parts.trainer.max_epochs or -1), "step": (steps, parts.stepper.max_steps)}
    for name, (begun, most) in limits.items():
        if begun > most > 0:
            raise ConfigError(
                f"`trainer.max_{name}s` must be at least the {many(begun, name)} that the run has begun but got {most}"
            )


@contextmanager
def held(paths: RunPaths) -> Iterator[None]:
    """Hold a run's folder for this process; under DDP, for the first of them.

    Raises:
        RunFolderError: another process holds it, or it cannot be written.
    """
    if getattr(rank_zero_only, "rank", 0) != 0:
        yield
        return
    lock = FileLock(paths.lock)
    try:
        lock.acquire(timeout=0.2)  # who only looks whether it is held has it for a moment
    except Timeout:
        raise busy(paths.folder) from None
    except OSError as error:
        raise RunFolderError(f"{paths.folder} cannot be written: {error.strerror}") from None
    try:
        discard_parts(paths.folder)
        yield
    finally:
        lock.release()
