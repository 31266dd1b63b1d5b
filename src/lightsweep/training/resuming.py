"""Where a resumed run goes on, and that only one process at a time writes into a run's folder."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from lightsweep.config.dotted import is_within, leaves
from lightsweep.config.saved import saved_values
from lightsweep.errors import ConfigError, RunFolderError
from lightsweep.files import discard_parts
from lightsweep.paths import RunPaths
from lightsweep.screen import many
from lightsweep.training.build import Parts
from lightsweep.training.checkpoints import load

FREE = (
    "trainer.max_epochs", "trainer.max_steps", "trainer.max_time", "trainer.accelerator", "trainer.devices",
    "trainer.num_nodes", "trainer.strategy", "trainer.threads", "trainer.deterministic", "trainer.cuda_graph",
    "trainer.limit_test_batches",
    "trainer.log_every_n_steps", "trainer.inner_steps", "trainer.checkpoint_every_n_steps",
    "trainer.checkpoint_every_minutes", "trainer.print_loss", "data.root", "data.path", "data.val_path",
    "data.test_path", "data.loader", "data.num_workers", "data.eval_batch_size", "logger", "callbacks", "metrics",
    "objectives", "test", "trust", "tags",
)  # fmt: skip
"""What may change where a run goes on; all else is in its checkpoint, or would make two runs of it."""
_LENGTH = ("trainer.max_epochs", "trainer.max_steps")


def has_checkpoint(paths: RunPaths) -> bool:
    """Whether a run got as far as its first checkpoint."""
    return paths.last.is_file() or paths.previous.is_file()


def refuse_changes(cfg: DictConfig, paths: RunPaths) -> None:
    """Raise ConfigError if a run is to go on by another configuration than it was begun by, beyond what is `FREE`."""
    if not paths.config.is_file():
        return
    before, now = dict(leaves(saved_values(paths))), dict(leaves(OmegaConf.to_container(cfg, resolve=True)))
    changed = [key for key in now.keys() | before.keys() if _differ(key, before.get(key), now.get(key))]
    by_length = made_for_length(cfg)
    for key in sorted(changed):
        told = f"`{key}` cannot change from {before.get(key)} to {now.get(key)} where a run goes on"
        if not is_within(key, FREE):
            raise ConfigError(f"{told}: what it was trained with is in its checkpoint; start a run of its own")
        if key in _LENGTH and by_length:
            schedule = f"`scheduler.{by_length}=auto` made the schedule for the old length"
            raise ConfigError(f"{told}: {schedule}; start a run of its own")


def made_for_length(cfg: DictConfig) -> str | None:
    """The schedule's setting that was made from the run's length, which then cannot change."""
    made = [key for key in ("T_max", "total_steps") if cfg.scheduler.get(key) == "auto" and cfg.scheduler._target_]
    return made[0] if made else None


def _differ(key: str, before: Any, now: Any) -> bool:
    """Whether two values of a key mean different things: of a limit on batches, 1 is one of them and 1.0 is all."""
    return before != now or (key.startswith("trainer.limit_") and type(before) is not type(now))


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
        raise RunFolderError(f"{paths.folder} is being written by another process; wait for it, or end it") from None
    except OSError as error:
        raise RunFolderError(f"{paths.folder} cannot be written: {error.strerror}") from None
    try:
        discard_parts(paths.folder)
        yield
    finally:
        lock.release()
