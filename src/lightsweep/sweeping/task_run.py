"""Running the application's task once inside a launcher's job: its own configuration, folder and command line."""

import logging
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TypeVar, cast

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, configure_log
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from optuna.trial import TrialState

from lightsweep.config.passwords import masked
from lightsweep.errors import Interrupted, LightsweepError
from lightsweep.files import storage_error, write_text
from lightsweep.launching.run_job import NoMore, run_job
from lightsweep.paths import SweepPaths
from lightsweep.sweeping.composer import Composer
from lightsweep.sweeping.config_keys import hydra_overrides
from lightsweep.sweeping.isolation import Command, children, end_children, isolated_task
from lightsweep.sweeping.patient_storage import patient_until_interrupted, unless_its_server_is_away
from lightsweep.sweeping.trial_outcome import (
    TrialOutcome,
    outcome_of_error,
    outcome_of_full_disk,
    outcome_of_return,
    text_of,
)

log = logging.getLogger(__name__)

_Work = TypeVar("_Work")


@dataclass(frozen=True)
class TaskRun:
    """What all tasks of a sweep have in common; picklable.

    Args:
        context: Hydra's config loader and the application's callbacks.
        task_function: the application's own task.
        config: the sweep's configuration as Hydra composed it.
        command: how the application was started.
        folder: the sweep's folder, absolute.
        composer: composes a task's configuration.
    """

    context: HydraContext
    task_function: TaskFunction
    config: DictConfig
    command: Command
    folder: Path
    composer: Composer

    def compose(self, overrides: Sequence[str], number: int, subdir: str | None = None) -> tuple[DictConfig, Path]:
        """The task's configuration, its storage without a password, and its folder.

        Args:
            overrides: the task's override lines.
            number: `hydra.job.num`.
            subdir: the folder's name inside the sweep's; None for what `hydra.sweep.subdir` says.
        """
        config = self.composer.compose(overrides)
        outer = HydraConfig.get().job
        with open_dict(config):
            config.hydra.job.num = number
            config.hydra.job.id = str(number) if str(outer.id) == str(outer.num) else outer.id
            config.hydra.sweep.dir = str(self.folder)
            if subdir is not None:
                config.hydra.sweep.subdir = subdir
            mask_storage(config)
        folder = _folder(config)
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.run.dir = str(folder)  # where DDP's other ranks write
        return config, folder

    def run(self, config: DictConfig, overrides: Sequence[str], trial_number: int | None) -> JobReturn:
        """Run the task; `trial_number` is None where it is no trial.

        Raises:
            SystemExit: a signal has ended the task, and so ends the job, though the task let it out as `Interrupted`.
        """
        with isolated_task(self.command, overrides, trial_number):
            try:
                returned = run_job(self.task_function, config, self.context.callbacks)
            except Exception as error:  # not the task's, which is in the JobReturn: its folder cannot be made
                return JobReturn(list(overrides), status=JobStatus.FAILED, _return_value=error)
        if isinstance(returned._return_value, Interrupted):
            raise SystemExit(returned._return_value.exit_code)
        return returned


def work_off(
    claim: Callable[[], _Work | None], run: Callable[[_Work], OSError | None], most: int | None
) -> NoMore | None:
    """What a launcher's job does: run what it claims until it has had its share or nothing is left, and say which.

    Args:
        claim: the next trial or re-run; None where no more is wanted. A study that cannot be written ends the sweep.
        run: gives the failure of a disk that is full, which ends the sweep too; None in all other cases.
        most: the job's share; None for all that there is.
    """
    for _ in count() if most is None else range(most):
        work = failure = None
        try:
            work = claim()
            failure = None if work is None else run(work)
        except Exception as error:
            cause = storage_error(error, Path("/"))  # of the study: what comes out of a task is its outcome
            if cause is not None:
                return NoMore(cause)
            if work is not None:  # Hydra's own launcher, and a sweep that goes on, tell of none
                is_bug = not isinstance(error, OSError | LightsweepError)
                log.error(f"a job failed beside its task: {type(error).__name__}: {text_of(error)}", exc_info=is_bug)
            raise
        if work is None:
            return NoMore()
        if failure is not None:
            return NoMore(failure)
    return None


def run_and_tell(run: Callable[[], TrialOutcome], tell: Callable[[TrialOutcome], None]) -> OSError | None:
    """Make one run and tell the study what came of it, be it an interruption; its processes end with a failed one.

    Returns:
        The failure of a disk that is full; see `work_off`.
    """
    before = children()
    with logging_restored():
        try:
            with patient_until_interrupted():
                outcome = run()
        except Exception:
            raise
        except BaseException as error:  # an interruption, or one of the task's, as asyncio's CancelledError is
            outcome = outcome_of_error(error)
            with unless_its_server_is_away():  # the next sweep finds this one's process gone
                tell(outcome)
            if outcome.from_outside:
                raise
        else:
            tell(outcome)
    if outcome.state is TrialState.FAIL:
        end_children(before)
    return outcome.failure


def outcome_of_run(
    returned: JobReturn, folder: Path, num_directions: int, pruned_at: int | None = None
) -> TrialOutcome:
    """What a task's return means, see `outcome_of_return`; of a failed one the traceback is kept in its folder."""
    if (full := outcome_of_full_disk(returned._return_value, folder)) is not None:
        return full
    outcome = outcome_of_return(returned, num_directions, pruned_at)
    if outcome.state is TrialState.FAIL:
        write_error(folder, returned)
    return outcome


@contextmanager
def logging_restored() -> Iterator[None]:
    """Point the loggers back at the job around the task, whose own run points them at its folder."""
    outer = HydraConfig.get()
    try:
        yield
    finally:
        configure_log(cast(DictConfig, outer.job_logging), outer.verbose)


def mask_storage(config: DictConfig) -> None:
    """Take the password out of a storage URL that stands literally in the configuration, before it is written down."""
    sweeper = OmegaConf.to_container(config.hydra.sweeper, resolve=False)
    assert isinstance(sweeper, dict)
    if "storage" in sweeper:
        config.hydra.sweeper.storage = _masked_tree(sweeper["storage"])
    config.hydra.overrides.hydra = [masked(line) for line in hydra_overrides(config)]


def _masked_tree(values: Any) -> Any:
    if isinstance(values, dict):
        return {key: _masked_tree(value) for key, value in values.items()}
    if isinstance(values, list):
        return [_masked_tree(value) for value in values]
    return masked(values) if isinstance(values, str) else values


def _folder(config: DictConfig) -> Path:
    """The task's folder; `hydra:` in its name means the task's configuration, not the job's around it."""
    instance = HydraConfig.instance()
    outer = instance.cfg
    if "${hydra:" not in str(OmegaConf.to_container(config.hydra.sweep, resolve=False)):
        return Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir)  # the usual case, 5 ms cheaper
    try:
        instance.set_config(config)
        return Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir)
    finally:
        instance.cfg = outer


def write_error(folder: Path, returned: JobReturn) -> None:
    """Keep the traceback of an exception, if there is a folder; a user's mistake is one line and needs none."""
    error = returned._return_value
    if isinstance(error, Exception) and os.path.isdir(folder):
        text = text_of(error) if isinstance(error, LightsweepError) else "".join(traceback.format_exception(error))
        try:
            write_text(SweepPaths.error(folder), text_of(text) + "\n")
        except OSError as full:  # the study is to hear of the trial all the same
            log.warning(f"{SweepPaths.error(folder)} is not written: {full.strerror}")
