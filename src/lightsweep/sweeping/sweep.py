"""One sweep from start to end: check, open the study, hand jobs to the launcher until n_trials are done, write results.

What happened is read from the study, never from what the launcher returns: it gathers returns in order, and a job that
was killed has none.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from hydra._internal.callbacks import Callbacks
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from lightsweep.errors import Interrupted, SweepFailed, UserError
from lightsweep.files import write_text
from lightsweep.launching import JobDied
from lightsweep.launching.run_job import NoMore
from lightsweep.paths import SweepPaths
from lightsweep.screen import draws, many
from lightsweep.sweeping import marks
from lightsweep.sweeping.claim import count_interruptions, is_hopeless, may_start, release_orphans
from lightsweep.sweeping.composer import Composer
from lightsweep.sweeping.config_keys import hydra_overrides
from lightsweep.sweeping.custom_space import check_custom
from lightsweep.sweeping.folder import make_folder
from lightsweep.sweeping.isolation import Command
from lightsweep.sweeping.job import TrialJob
from lightsweep.sweeping.patient_storage import is_connection_loss, patient_until_interrupted
from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.progress import Progress, finished_reruns, finished_trials
from lightsweep.sweeping.rerun import Rerun, RerunJob, note_seed, results_of, unfinished, wanted_reruns
from lightsweep.sweeping.rerun_report import write_rerun_tables
from lightsweep.sweeping.results import write_results
from lightsweep.sweeping.settings import enqueued, job_shares, make_plan
from lightsweep.sweeping.storage import fold_log, local_file, open_storage, taking_turns
from lightsweep.sweeping.study import enqueue, open_study, queued_parameters, study_storage
from lightsweep.sweeping.summary import error_line, failure_table, print_summary
from lightsweep.sweeping.task_run import TaskRun, mask_storage

log = logging.getLogger(__name__)

# The job around a trial writes nothing of its own and stays where it is; the trial has its own folder.
_JOB = ["hydra.output_subdir=null", "hydra.sweep.subdir=.", "hydra.job.chdir=false"]


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
    sweep = SweepRun(settings, context, task_function, config, arguments)
    sweep.tune()
    sweep.run_again()
    sweep.end()


class SweepRun:
    """A checked sweep and its study; every mistake in the settings is named when it is made, before any trial.

    Args:
        settings, context, task_function, config, arguments: those of `run_sweep`.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        context: HydraContext,
        task_function: TaskFunction,
        config: DictConfig,
        arguments: list[str],
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        config = warmed(without_password(config))
        HydraConfig.instance().set_config(config)  # jobs take it with them
        _launcher(config, context, task_function)  # checks its settings; a local one begins to import meanwhile
        plan = make_plan(settings, config, context.config_loader, arguments)
        check_custom(plan, config)
        max_jobs, trials_per_job = job_shares(settings)
        queued = queued_parameters(enqueued(settings), plan)
        if local_file(plan.storage) != SweepPaths(plan.folder).journal:
            open_storage(plan.storage, for_sweep=True)  # one that cannot be used leaves no folder behind
        make_folder(plan.folder)
        try:
            self.study = open_study(plan)
        except UserError:
            with suppress(OSError):  # it holds something
                plan.folder.rmdir()
            raise
        self.plan = replace(plan, study_name=self.study.study_name)
        enqueue(self.study, self.plan, queued)
        note_seed(self.study, self.plan)
        write_multirun(config, self.plan.folder)
        command = Command.here(hydra_overrides(config))
        composer = Composer(self.plan.space, config, context.config_loader, [f"++{self.plan.rerun.seed_key}"])
        self.reruns: list[Rerun] = []  # those that `run_again` found wanted
        self._task = TaskRun(context, task_function, config, command, self.plan.folder, composer)
        self._config, self._loader = config, context.config_loader
        if str(config.hydra.launcher._target_).endswith(".BasicLauncher"):
            max_jobs, trials_per_job = 1, None  # it runs one job after the other in this process: one job costs less
        self._crew = _Crew(config, context, composer.job_overrides, max_jobs, trials_per_job)

    def tune(self) -> None:
        """Run trials until the study holds as many as it shall; the result files are written in any case."""
        with _closed_by(self._close):
            _run_trials(self.study, self.plan, self._crew, TrialJob(self.plan, self._task, self._crew.share))

    def _close(self, end: BaseException | None) -> None:
        """Write the result files, in which the trials that an interruption has ended are killed."""
        if isinstance(end, KeyboardInterrupt | SystemExit | Interrupted):
            # the launcher has ended its jobs, and nobody claims after them
            with taking_turns(self.plan.storage, self.plan.folder):
                release_orphans(self.plan)
        write_results(self.study, self.plan, self._config, self._loader)
        fold_log(self.plan.storage)

    def run_again(self, first_seed: int | None = None) -> None:
        """Run the best settings on fresh seeds, when all trials are done and not too many of them failed.

        Args:
            first_seed: see `wanted_reruns`.
        """
        # once: a sweep that joins changes them
        self.reruns = wanted_reruns(self.study, self.plan, self._config, self._loader, first_seed)
        counts = _counts(self.study)
        if not is_hopeless(self.plan, counts) and counts.running == 0:
            _run_again(self.reruns, self.study, self.plan, self._crew, self._task)

    def end(self) -> None:
        """Print the summary, and the reasons where all trials failed or too many.

        Raises:
            SweepFailed: too many trials failed.
        """
        print_summary(self.study, self.plan, self.reruns)
        counts = _counts(self.study)
        gives_up = is_hopeless(self.plan, counts)
        if gives_up or 0 < counts.failed == counts.counted:
            reasons = ["why trials failed:", failure_table(self.study), error_line(self.study)]
            print("\n".join(filter(None, reasons)), flush=True)
        if gives_up:
            raise SweepFailed(
                f"{counts.failed} of {many(counts.counted, 'trial')} failed, more than "
                f"`hydra.sweeper.max_failure_rate` {self.plan.max_failure_rate:g} allows"
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
        self.context = context

    def launcher(self, job: TaskFunction) -> Launcher:
        """The configured launcher, for this job."""
        return _launcher(self.config, self.context, job)

    def launch(self, launcher: Launcher, wanted: int, index: int) -> Sequence[JobReturn]:
        """Hand out jobs for so many trials or re-runs, numbered from `index` on."""
        jobs = wanted if self.share is None else -(-wanted // self.share)
        jobs = jobs if self.max_jobs is None else min(jobs, self.max_jobs)
        return launcher.launch([self.overrides] * jobs, initial_job_idx=index)


def _launcher(config: DictConfig, context: HydraContext, job: TaskFunction) -> Launcher:
    """The configured launcher; a job of the sweep's is none of the application's, whose callbacks it leaves alone."""
    context = HydraContext(context.config_loader, Callbacks())
    return Plugins.instance().instantiate_launcher(hydra_context=context, task_function=job, config=config)


def _run_trials(study: optuna.Study, plan: Plan, crew: _Crew, job: TrialJob) -> None:
    """Hand out jobs until the sweep needs no more; those that were killed are made up for in the next round.

    Of a round that began no trial, as its jobs were killed before, there is one more.
    """
    launcher = crew.launcher(job)
    index, is_second = 0, False
    with _shown(study, plan, launcher), _quiet(launcher), patient_until_interrupted():
        while (wanted := _wanted(study, plan)) > 0:  # no job of this sweep runs here
            before = _counts(study)
            returns = crew.launch(launcher, wanted, index)
            index += len(returns)
            _raise_if_disk_is_full(returns)
            if _counts(study).created > before.created:
                is_second = False
            elif is_second or not any(isinstance(returned._return_value, JobDied) for returned in returns):
                _raise_first_error(returns)
                return  # jobs found nothing to do
            else:
                is_second = True


def _shown(study: optuna.Study, plan: Plan, launcher: Launcher) -> Progress:
    """A live view where there is a terminal that jobs do not draw on themselves, else a line a trial."""
    from rich.console import Console

    console = Console()
    in_process = type(launcher).__name__ == "BasicLauncher"
    if not plan.live or not draws(console) or in_process:
        return Progress(finished_trials(plan))
    from lightsweep.sweeping.live_view import LiveView

    return LiveView(study, plan, launcher, console)


def _run_again(reruns: Sequence[Rerun], study: optuna.Study, plan: Plan, crew: _Crew, task: TaskRun) -> None:
    """Run the best settings on fresh seeds and write their tables, whoever made the runs.

    Those that were killed have one more round each as long as any finishes.
    """
    with _closed_by(lambda _: write_rerun_tables(reruns, study, plan)):
        missing, index = unfinished(reruns, plan), 0
        if not missing:
            return
        print(
            f"running {many(len(reruns), 'time')} again on fresh seeds: {len(reruns) - len(missing)} done", flush=True
        )
        job = RerunJob(plan, task, reruns, crew.share)
        launcher = crew.launcher(job)
        with Progress(finished_reruns(reruns, plan)), _quiet(launcher), patient_until_interrupted():
            while missing:
                before, kept = len(missing), results_of(reruns, plan)
                returns = crew.launch(launcher, before, index)
                index += len(returns)
                job.release()
                _raise_if_disk_is_full(returns)
                if results_of(reruns, plan) == kept:
                    _raise_first_error(returns)
                missing = unfinished(reruns, plan)
                if len(missing) == before:
                    return


@contextmanager
def _closed_by(close: Callable[[BaseException | None], None]) -> Iterator[None]:
    """Call `close` with what has ended the body; that it can write no file does not hide the body's own error."""
    try:
        yield
    except BaseException as end:
        try:
            close(end)
        except Exception as error:
            is_away = is_connection_loss(error)
            if not is_away and not isinstance(error, OSError):
                raise
            why = "its server does not answer" if is_away else error
            log.warning(f"the files about the trials are not as new as the study: {why}")
        raise
    close(None)


def _counts(study: optuna.Study) -> marks.TrialCounts:
    return marks.count(study.get_trials(deepcopy=False))


def _wanted(study: optuna.Study, plan: Plan) -> int:
    """Trials to start now; orphans are queued again first, and the running trials of other sweeps are left to them."""
    with taking_turns(plan.storage, plan.folder):
        release_orphans(plan, jobs_ended=True)
        count_interruptions(plan)
    counts = _counts(study)
    if not may_start(plan, counts, *study_storage(plan)):
        return 0
    return plan.n_trials - counts.counted - counts.running


def _raise_if_disk_is_full(returns: Sequence[JobReturn]) -> None:
    for returned in returns:
        if isinstance(returned._return_value, NoMore) and returned._return_value.failure is not None:
            raise returned._return_value.failure


def _raise_first_error(returns: Sequence[JobReturn]) -> None:
    """Nothing was started: if the jobs themselves failed, that is why."""
    for returned in returns:
        if returned.status == JobStatus.FAILED:
            raise returned._return_value


def write_multirun(config: DictConfig, folder: Path) -> None:
    """Write the sweep's configuration, which holds no password, into its folder."""
    write_text(SweepPaths(folder).multirun, OmegaConf.to_yaml(config))


def without_password(config: DictConfig) -> DictConfig:
    """A copy of the sweep's configuration without the storage's password; the plan alone has it."""
    shown = config.copy()
    with read_write(shown), open_dict(shown):
        mask_storage(shown)
    return shown


def warmed(config: DictConfig) -> DictConfig:
    """Let a launcher that forks its jobs import once for all of them what opens a database."""
    storage, launcher = config.hydra.sweeper.get("storage"), config.hydra.launcher
    if isinstance(storage, str) and "://" in storage and not storage.startswith("grpc:") and "preload" in launcher:
        with read_write(config.hydra):
            launcher.preload = [*launcher.preload, "lightsweep.sweeping.warm_database"]
    return config


@contextmanager
def _quiet(launcher: Launcher) -> Iterator[None]:
    """Keep Hydra's own launchers from printing a line for each job: a job's overrides are not its trial's."""
    name = type(launcher).__module__
    is_plugin = name.startswith("hydra_plugins.hydra_")  # joblib's and others log beside the launcher's module
    own = logging.getLogger(name.rpartition(".")[0] if is_plugin else name)
    level = own.level
    if is_plugin or name.startswith("hydra._internal."):
        own.setLevel(logging.WARNING)
    try:
        yield
    finally:
        own.setLevel(level)
