"""One sweep from start to end: check, open the study, hand jobs to the launcher until n_trials are done, write results.

What happened is read from the study, never from what the launcher returns: it gathers returns in order, and a job that
was killed has none.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import optuna
from hydra._internal.callbacks import Callbacks
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from lightsweep.errors import LightsweepError
from lightsweep.files import write_text
from lightsweep.paths import SweepPaths
from lightsweep.sweeping import marks
from lightsweep.sweeping.claim import is_hopeless, release_orphans
from lightsweep.sweeping.composition import job_overrides
from lightsweep.sweeping.isolation import Command
from lightsweep.sweeping.job import TrialJob, mask_storage
from lightsweep.sweeping.journal_lock import exclusive
from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.progress import Progress
from lightsweep.sweeping.results import write_results
from lightsweep.sweeping.settings import enqueued, job_shares, make_plan
from lightsweep.sweeping.storage import lock_path
from lightsweep.sweeping.study import enqueue, open_study, queued_parameters, study_storage
from lightsweep.sweeping.summary import failure_table, print_summary

# The job around a trial writes nothing of its own and stays where it is; the trial has its own folder.
_JOB = ["hydra.output_subdir=null", "hydra.sweep.subdir=.", "hydra.job.chdir=false"]


class SweepFailed(LightsweepError):
    """More trials failed than `max_failure_rate` allows, or the jobs themselves do."""


def run_sweep(
    settings: Mapping[str, Any],
    context: HydraContext,
    task_function: TaskFunction,
    config: DictConfig,
    arguments: list[str],
) -> None:
    """Run a sweep until its study holds `n_trials` finished trials, or no more can be had.

    Args:
        settings: the sweeper's configuration.
        context: Hydra's config loader and callbacks.
        task_function: the application's task; its return value is what is optimised.
        config: the sweep's configuration, as Hydra composed it.
        arguments: the command line's task overrides.

    Raises:
        ConfigError: a mistake in the settings, before any trial.
        SweepFailed: too many trials failed.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    plan = make_plan(settings, config, context.config_loader, arguments)
    max_jobs, trials_per_job = job_shares(settings)
    queued = queued_parameters(enqueued(settings), plan)
    study = open_study(plan)
    plan = replace(plan, study_name=study.study_name)
    enqueue(study, plan, queued)
    _write_multirun(config, plan)
    command = Command.here([str(line) for line in config.hydra.overrides.hydra])
    if str(config.hydra.launcher._target_).endswith(".BasicLauncher"):
        max_jobs, trials_per_job = 1, None  # it runs one job after the other in this process: one job costs less
    job = TrialJob(plan, context, task_function, config, command, trials_per_job)
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=HydraContext(context.config_loader, Callbacks()),  # a job is no job of the application's
        task_function=job,
        config=config,
    )
    overrides = job_overrides(plan.space, config, context.config_loader) + _JOB
    try:
        with Progress(plan), _quiet(launcher):
            _launch_all(plan, launcher, overrides, max_jobs, trials_per_job)
    finally:
        write_results(study, plan, config, context.config_loader)
    print_summary(study, plan)
    counts = marks.tally(study.get_trials(deepcopy=False))
    if is_hopeless(plan, counts):
        raise SweepFailed(
            f"{counts.failed} of {counts.counted} trials failed, more than `hydra.sweeper.max_failure_rate` "
            f"{plan.max_failure_rate:g} allows\n{failure_table(study)}"
        )


def _launch_all(
    plan: Plan, launcher: Launcher, overrides: list[str], max_jobs: int | None, trials_per_job: int | None
) -> None:
    """Hand out jobs until the sweep needs no more; those that were killed are made up for in the next round."""
    index = 0
    while (wanted := _wanted(plan)) > 0:
        before = marks.tally(_trials(plan))
        jobs = wanted if trials_per_job is None else -(-wanted // trials_per_job)
        jobs = jobs if max_jobs is None else min(jobs, max_jobs)
        returns = launcher.launch([overrides] * jobs, initial_job_idx=index)
        index += jobs
        if marks.tally(_trials(plan)).created == before.created:
            _raise_first_error(returns)
            return  # jobs found nothing to do: the time is up, or the space is exhausted


def _wanted(plan: Plan) -> int:
    """Trials to start now; orphans are queued again first, and the running trials of other sweeps are left to them."""
    with exclusive(lock_path(plan.storage, plan.folder)):
        release_orphans(plan)
    counts = marks.tally(_trials(plan))
    if is_hopeless(plan, counts):
        return 0
    return plan.n_trials - counts.counted - counts.running


def _raise_first_error(returns: Sequence[JobReturn]) -> None:
    """No trial was started: if the jobs themselves failed, that is why."""
    for returned in returns:
        if returned.status == JobStatus.FAILED:
            raise returned._return_value


def _trials(plan: Plan) -> list[optuna.trial.FrozenTrial]:
    storage, study_id = study_storage(plan)
    return storage.get_all_trials(study_id, deepcopy=False)


def _write_multirun(config: DictConfig, plan: Plan) -> None:
    """The sweep's configuration in its folder, without the storage's password."""
    shown = config.copy()
    with read_write(shown), open_dict(shown):
        mask_storage(shown)
    write_text(SweepPaths(plan.folder).multirun, OmegaConf.to_yaml(shown))


class _quiet:  # noqa: N801  (a context manager, used like a function)
    """Keep Hydra's basic launcher from printing a line for each job: a job's overrides are not its trial's."""

    def __init__(self, launcher: Launcher) -> None:
        self._log = logging.getLogger(type(launcher).__module__)

    def __enter__(self) -> None:
        self._level = self._log.level
        if self._log.name.startswith("hydra._internal."):
            self._log.setLevel(logging.WARNING)

    def __exit__(self, *_: object) -> None:
        self._log.setLevel(self._level)
