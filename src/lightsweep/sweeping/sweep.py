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
from lightsweep.sweeping.job import TrialJob
from lightsweep.sweeping.journal_lock import exclusive
from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.progress import Progress, finished_reruns, finished_trials
from lightsweep.sweeping.rerun import RerunJob, note_seed, unfinished, wanted_reruns
from lightsweep.sweeping.rerun_report import write_rerun_tables
from lightsweep.sweeping.results import write_results
from lightsweep.sweeping.settings import enqueued, job_shares, make_plan
from lightsweep.sweeping.storage import lock_path
from lightsweep.sweeping.study import enqueue, open_study, queued_parameters, study_storage
from lightsweep.sweeping.summary import failure_table, print_summary
from lightsweep.sweeping.task_run import TaskRun, mask_storage

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
    note_seed(study, plan)
    _write_multirun(config, plan)
    command = Command.here([str(line) for line in config.hydra.overrides.hydra])
    task = TaskRun(context, task_function, config, command, plan.folder)
    if str(config.hydra.launcher._target_).endswith(".BasicLauncher"):
        max_jobs, trials_per_job = 1, None  # it runs one job after the other in this process: one job costs less
    crew = _Crew(config, context, job_overrides(plan.space, config, context.config_loader), max_jobs, trials_per_job)
    try:
        _run_trials(study, plan, crew, TrialJob(plan, task, trials_per_job))
    finally:
        write_results(study, plan, config, context.config_loader)
    counts = marks.tally(study.get_trials(deepcopy=False))
    if not is_hopeless(plan, counts) and counts.running == 0:
        _run_again(study, plan, crew, task)
    print_summary(study, plan)
    if is_hopeless(plan, counts):
        raise SweepFailed(
            f"{counts.failed} of {counts.counted} trials failed, more than `hydra.sweeper.max_failure_rate` "
            f"{plan.max_failure_rate:g} allows\n{failure_table(study)}"
        )


class _Crew:
    """Launchers for the jobs of one sweep.

    Args:
        config: the sweep's configuration, with the launcher's.
        context: Hydra's config loader.
        overrides: with which the job around a task composes.
        max_jobs: the most jobs at once; None for no limit.
        share: trials of one job; None for as many as there are.
    """

    def __init__(
        self, config: DictConfig, context: HydraContext, overrides: list[str], max_jobs: int | None, share: int | None
    ) -> None:
        self.config, self.overrides, self.max_jobs, self.share = config, overrides + _JOB, max_jobs, share
        self.context = HydraContext(context.config_loader, Callbacks())  # a job is no job of the application's

    def launcher(self, job: TaskFunction) -> Launcher:
        """The configured launcher, for this job."""
        return Plugins.instance().instantiate_launcher(
            hydra_context=self.context, task_function=job, config=self.config
        )

    def launch(self, launcher: Launcher, wanted: int, index: int) -> Sequence[JobReturn]:
        """Hand out jobs for so many trials or re-runs, numbered from `index` on."""
        jobs = wanted if self.share is None else -(-wanted // self.share)
        jobs = jobs if self.max_jobs is None else min(jobs, self.max_jobs)
        return launcher.launch([self.overrides] * jobs, initial_job_idx=index)


def _run_trials(study: optuna.Study, plan: Plan, crew: _Crew, job: TrialJob) -> None:
    """Hand out jobs until the sweep needs no more; those that were killed are made up for in the next round."""
    launcher = crew.launcher(job)
    index = 0
    with _shown(study, plan, launcher), _quiet(launcher):
        while (wanted := _wanted(plan)) > 0:
            before = marks.tally(_trials(plan))
            returns = crew.launch(launcher, wanted, index)
            index += len(returns)
            if marks.tally(_trials(plan)).created == before.created:
                _raise_first_error(returns)
                return  # jobs found nothing to do: the time is up, or the space is exhausted


def _shown(study: optuna.Study, plan: Plan, launcher: Launcher) -> Progress:
    """A live view where there is a terminal that jobs do not draw on themselves, else a line a trial."""
    from rich.console import Console

    console = Console()
    in_process = type(launcher).__name__ == "BasicLauncher"
    if not plan.live or not console.is_terminal or console.is_dumb_terminal or in_process:
        return Progress(finished_trials(plan))
    from lightsweep.sweeping.live_view import LiveView

    return LiveView(study, plan, launcher, console)


def _run_again(study: optuna.Study, plan: Plan, crew: _Crew, task: TaskRun) -> None:
    """Run the best settings on fresh seeds; those that were killed have one more round each as long as any finishes."""
    reruns = wanted_reruns(study, plan)
    missing, index = unfinished(reruns, plan), 0
    if not missing:
        return
    print(f"running {len(reruns)} times again on fresh seeds: {len(reruns) - len(missing)} are done", flush=True)
    launcher = crew.launcher(RerunJob(plan, task, reruns, crew.share))
    try:
        with Progress(finished_reruns(reruns, plan)), _quiet(launcher):
            while missing:
                before = len(missing)
                index += len(crew.launch(launcher, before, index))
                missing = unfinished(reruns, plan)
                if len(missing) == before:
                    return
    finally:
        write_rerun_tables(study, plan)


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
