"""A run from its configuration to its result, and the evaluation of a finished one."""

import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, seed_everything
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf

from lightsweep.calling import called
from lightsweep.config import check
from lightsweep.config.going_on import has_checkpoint, made_for_length, refuse_changes
from lightsweep.config.hydra_files import save_waiting
from lightsweep.config.override_text import override_text
from lightsweep.config.saved import read_finished
from lightsweep.data.datamodule import NoTestSet
from lightsweep.errors import (
    ConfigError,
    Interrupted,
    LightsweepError,
    RankDied,
    RunFolderError,
    RunStopped,
    StorageFailed,
    lines_of,
)
from lightsweep.files import make_folder, storage_error, write_json, write_text
from lightsweep.models.tasks import kind_of_loss
from lightsweep.paths import RunPaths, given_path
from lightsweep.process_state import alone, torch_kept
from lightsweep.screen import many
from lightsweep.sweeping.trial import is_part_of_sweep
from lightsweep.training.build import Parts, build
from lightsweep.training.callbacks import refuse_unserved, why_pruned
from lightsweep.training.checkpoints import load_weights_alone, take_up
from lightsweep.training.clock import Clock, seconds_since_process_start
from lightsweep.training.environment import device_name, environment
from lightsweep.training.refusals import (
    raise_if_lightning_refused,
    raise_if_logger_cannot_begin,
    raise_if_memory_ended,
    raise_if_refused,
)
from lightsweep.training.result import Result
from lightsweep.training.resuming import held, replace_run, resume_from
from lightsweep.training.sessions import Earlier
from lightsweep.training.siblings import Siblings
from lightsweep.training.signals import StopRequest
from lightsweep.training.trainer import lightning_silenced


def train(
    cfg: DictConfig,
    folder: Path,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    clock: Clock | None = None,
) -> Result:
    """Train, pick the best checkpoint, test it, and write everything into a folder.

    Args:
        cfg: a composed configuration, without Hydra's own node.
        folder: the run's folder; made if it is not there.
        resume: go on from the folder's newest checkpoint; from the start if it has none yet.
        callbacks: further Lightning callbacks. One whose `monitor` is `auto` is told the run's; one that says it is
            `pruned` makes that the run's status and its `reason` the run's, and the run is not tested.
        clock: counts the run's time from now on; None for one that counts from the process's start.

    Returns:
        What `result.json` holds. `Result.monitored` is the value that a sweep looks at.

    Raises:
        ConfigError, DataError, RunFolderError: before training starts; a folder that holds a run stays as it was.
        Diverged, Interrupted, RankDied: with `result.json` written.
    """
    clock = clock if clock is not None else Clock(seconds_since_process_start())
    stop = StopRequest()
    check(cfg, finished=resume)
    refuse_unserved(callbacks)
    paths = RunPaths(Path(folder).absolute())
    make_folder(paths.folder)
    result, parts = Result("running", cfg.seed, folder=str(folder)), None
    with lightning_silenced(), stop.listening(), held(paths), torch_kept(cfg.trainer.precision):
        going_on, used = resume and has_checkpoint(paths), paths.result.is_file()
        try:
            if going_on:
                refuse_changes(cfg, paths)
            seed_everything(cfg.seed, workers=True, verbose=False)
            parts = build(cfg, paths, clock, stop, callbacks, going_on)
            parts.conductor.earlier = Earlier.read(paths) if going_on else None
            _note(parts, result)
            parts.conductor.describe = partial(_describe, cfg, parts, paths, result)
            if not going_on:
                if not resume:
                    replace_run(paths)
                parts.conductor.describe_once()
            with Siblings(parts.trainer, paths).watched(partial(_bury, cfg, paths, result)):
                _fit(cfg, parts, result, resume_from(parts, paths) if resume else None)
                if not parts.stepper.steps:
                    raise ConfigError(
                        "a callback ended the run before its first step, so that there is nothing to keep"
                    )
                parts.conductor.describe_once()
                _tell_if_complete(cfg, parts, result)
                result.reason = why_pruned(callbacks)
                result.status = "completed" if result.reason is None else "pruned"
                if result.status == "completed":
                    _examine(parts, paths, result, cfg.test)
                _leave_group()
        except LightsweepError as error:
            result.status, result.reason = error.status, str(error)
            if isinstance(error, (Interrupted, RankDied)):
                _offer_resume(error, cfg, paths, result)
            raise
        except BaseException as error:
            result.status = "failed" if why_pruned(callbacks) is None else "pruned"
            result.reason = f"{type(error).__name__}: {error}"
            raise_if_memory_ended(error, result)
            _raise_if_storage_failed(error, cfg, paths, result)
            raise
        finally:
            if not (going_on or used) or (parts is not None and parts.conductor.described):
                _close(clock, cfg, paths, result, parts)
    return result


def resume_command(folder: Path, trust: Sequence[str]) -> str:
    """The command that goes on with a run: a folder does not say what it trusts, so that is said again."""
    trusting = [f"trust={override_text(list(trust))}"] if trust else []
    return shlex.join([*called(), f"resume={folder}", *trusting])


def _raise_if_storage_failed(error: BaseException, cfg: DictConfig, paths: RunPaths, result: Result) -> None:
    cause = storage_error(error, paths.folder)
    if cause is not None:
        failure = StorageFailed(f"{paths.folder} can no longer be written: {cause.strerror}")
        if _can_be_resumed(paths):
            command = resume_command(Path(result.folder), cfg.trust)
            failure.hint = f"; what it holds is whole: once that is mended, {command}"
        elif not paths.folder.exists() and not is_part_of_sweep():
            failure.hint = "; if it was moved, it goes on there: resume=<where it is now>"
        result.reason = str(failure)
        raise failure from error


@alone()
def evaluate(folder: Path | str, checkpoint: str = "best", trust: Sequence[str] = ()) -> dict[str, float]:
    """A finished run's checkpoint on the test set.

    Args:
        folder: the run's folder.
        checkpoint: `best` or `last`.
        trust: import prefixes whose targets may be built, as in a configuration; the folder has no say in it.

    Returns:
        `test/loss` and, for classes, `test/acc` in [0, 1].

    Raises:
        RunFolderError: a folder or a checkpoint that is none, or is damaged, or a run without a test set.
        ConfigError: a folder that is no path, another checkpoint, a `trust` that is no list, or what the run is made of
            is not trusted; or another thread trains.
    """
    paths = RunPaths(given_path(folder, "folder"))
    found, cfg = paths.checkpoint(checkpoint), read_finished(paths, trust)
    cfg.test = True
    check(cfg, finished=True)
    weights = load_weights_alone(found)
    try:
        with lightning_silenced(), torch_kept(cfg.trainer.precision):
            return _metrics_of(build(cfg, paths, Clock(), StopRequest(), going_on=True), weights)
    except NoTestSet:
        raise RunFolderError(
            "the run has no test set, to be evaluated on: its data.test_size is 0, or its data have no load_test"
        ) from None


def _note(parts: Parts, result: Result) -> None:
    result.precision = parts.precision
    result.cuda_graph = bool(parts.stepper.graph_size)
    result.device = device_name(parts.trainer.strategy.root_device)
    result.parameters = sum(p.numel() for p in parts.model.net.parameters())
    result.monitor = parts.checkpoints.monitor
    result.directions = parts.directions
    result.loss = kind_of_loss(parts.model.task, parts.datamodule.class_weights)


def _describe(cfg: DictConfig, parts: Parts, paths: RunPaths, result: Result) -> None:
    if parts.trainer.is_global_zero:
        save_waiting(paths.folder)
        write_text(paths.config, OmegaConf.to_yaml(cfg, resolve=True))
        parts.datamodule.describe().save(paths)
        write_json(paths.environment, environment(parts.trainer.strategy.root_device))
        result.save(paths)
        parts.bar.introduce(result, cfg.trainer.precision, parts.trainer.world_size, cfg.get("weights"))


def _fit(cfg: DictConfig, parts: Parts, result: Result, checkpoint: Path | None) -> None:
    trainer, stepper = parts.trainer, parts.stepper
    clock = stepper.clock
    try:
        trainer.fit(parts.model, datamodule=parts.datamodule, ckpt_path=checkpoint, weights_only=True)
    except MisconfigurationException as error:
        raise_if_lightning_refused(error)
        raise
    except (RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise_if_refused(error, cfg, first_step=not parts.conductor.described or not stepper.steps)
        if checkpoint is None or parts.conductor.started:
            raise
        raise RunFolderError(f"{checkpoint} does not fit this run: {lines_of(error)[-1]}") from error
    except Exception as error:
        raise_if_refused(error, cfg, first_step=not stepper.steps)  # a package's own type of error
        if not parts.conductor.started:
            raise_if_logger_cannot_begin(error)
        raise
    finally:
        parts.bar.close()
        stepper.free_graph()
        clock.enter("framework")
        result.steps, result.epochs = stepper.steps, stepper.epochs
        result.samples_per_second = stepper.examples / max(clock.training, 1e-9)
        result.metrics.update(parts.model.evaluated)
    result.monitored = parts.checkpoints.best
    if result.monitored is not None:  # the newest validation may be of other weights
        validated = [name for name in result.metrics if name.startswith("val/")]
        result.metrics.update({name: parts.checkpoints.best_metrics.get(name) for name in validated})


def _tell_if_complete(cfg: DictConfig, parts: Parts, result: Result) -> None:
    """Say of a run that was to go on that nothing was left to train, and how it is trained for longer."""
    earlier, trainer = parts.conductor.earlier, parts.trainer
    if earlier is None or not earlier.was_all(result) or not trainer.is_global_zero:
        return
    limits = {"max_steps": (result.steps, parts.stepper.max_steps), "max_epochs": (result.epochs, trainer.max_epochs)}
    reached = [f"{name}={2 * done}" for name, (done, most) in limits.items() if most == done]
    longer = ""
    if reached and made_for_length(cfg) is not None:
        longer = "; its schedule was made for this length: a longer one is a run of its own"
    elif reached:
        longer = f"; to train longer: {resume_command(Path(result.folder), cfg.trust)} trainer.{reached[0]}"
    done = f"{many(result.epochs, 'epoch')}, {many(result.steps, 'step')}"
    print(f"note: {result.folder} is complete already: {done}{longer}", file=sys.stderr)


def _examine(parts: Parts, paths: RunPaths, result: Result, test: bool) -> None:
    """Test the best checkpoint; a run that has no test is validated with it where somebody wants the predictions."""
    if not test and not (parts.datamodule.validates and any(watcher.wants_predictions for watcher in parts.watchers)):
        return
    with parts.stepper.clock.part("validation" if test else "logging"):
        # the first process's: started by torchrun or srun, the others have folders of their own
        first = parts.trainer.is_global_zero
        best: Any = load_weights_alone(paths.best if paths.best.is_file() else paths.last) if first else None
        best = parts.trainer.strategy.broadcast(best)
        if test:
            result.metrics.update(_metrics_of(parts, best))
            return
        take_up(parts.model, best)
        parts.trainer.validate(parts.model, datamodule=parts.datamodule, verbose=False)


def _metrics_of(parts: Parts, weights: dict[str, Any]) -> dict[str, float]:
    take_up(parts.model, weights)
    parts.trainer.test(parts.model, datamodule=parts.datamodule, verbose=False)
    return {name: value for name, value in parts.model.evaluated.items() if name.startswith("test/")}


def _bury(cfg: DictConfig, paths: RunPaths, result: Result, death: RankDied) -> None:
    result.status, result.reason = death.status, str(death)
    result.save(paths)
    _offer_resume(death, cfg, paths, result)


def _offer_resume(error: RunStopped, cfg: DictConfig, paths: RunPaths, result: Result) -> None:
    if _can_be_resumed(paths):
        error.hint = f"; to go on: {resume_command(Path(result.folder), cfg.trust)}"


def _can_be_resumed(paths: RunPaths) -> bool:
    """Whether there is a checkpoint, and no sweep, which goes on itself and would not know of what was resumed."""
    return paths.last.is_file() and not is_part_of_sweep()


def _leave_group() -> None:
    """End the process group together; left to the interpreter's end, one process can pull it from under the others."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def _close(clock: Clock, cfg: DictConfig, paths: RunPaths, result: Result, parts: Parts | None) -> None:
    _take_times(clock, result, parts)
    if getattr(rank_zero_only, "rank", 0) != 0:
        return
    try:
        paths.lock.stat()  # a folder that was moved or deleted does not come back in part, as another run
        result.save(paths)
        if parts is not None:
            tested = {k: v for k, v in result.metrics.items() if k.startswith("test/") and v is not None}
            with clock.part("logging"):
                parts.recorder.conclude(result.steps, tested)
            _take_times(clock, result, parts)  # again: a logger may have had to send all that it had
            result.save(paths)
        for watcher in parts.watchers if parts is not None else ():
            watcher.conclude(result)
    except OSError as error:
        if result.status in ("completed", "pruned"):
            _raise_if_storage_failed(error, cfg, paths, result)
        # else the run ends by an error already; the file says `running` as before, and the folder can be resumed


def _take_times(clock: Clock, result: Result, parts: Parts | None) -> None:
    result.seconds = clock.total
    result.seconds_by_part = dict(clock.seconds)
    if parts is not None and parts.conductor.earlier is not None:
        parts.conductor.earlier.repeat_in(result)
