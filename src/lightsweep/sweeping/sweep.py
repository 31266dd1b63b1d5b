"""One sweep from start to end: check, open the study, run its rounds of jobs until n_trials are done, write results."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from hydra.core.hydra_config import HydraConfig
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from lightsweep.errors import Interrupted, SweepFailed, UserError
from lightsweep.files import make_folder, write_text
from lightsweep.paths import SweepPaths
from lightsweep.screen import many
from lightsweep.sweeping.claim import is_hopeless, release_orphans
from lightsweep.sweeping.composer import Composer
from lightsweep.sweeping.config_keys import hydra_overrides
from lightsweep.sweeping.crew import Crew, launcher_for
from lightsweep.sweeping.custom_space import check_custom
from lightsweep.sweeping.isolation import Command
from lightsweep.sweeping.job import TrialJob
from lightsweep.sweeping.rerun import Rerun, note_seed, wanted_reruns
from lightsweep.sweeping.results import write_results
from lightsweep.sweeping.rounds import closed_by, counted, run_again, run_trials
from lightsweep.sweeping.settings import enqueued, job_shares, make_plan
from lightsweep.sweeping.storage import fold_log, local_file, open_storage, taking_turns
from lightsweep.sweeping.study import enqueue, open_study, queued_parameters
from lightsweep.sweeping.summary import error_line, failure_table, print_summary
from lightsweep.sweeping.task_run import TaskRun, mask_storage


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
        config = warmed(without_password(config))
        HydraConfig.instance().set_config(config)  # jobs take it with them
        launcher_for(config, context, task_function)  # checks its settings; a local one begins to import meanwhile
        plan = make_plan(settings, config, context.config_loader, arguments)
        check_custom(plan, config)
        max_jobs, trials_per_job = job_shares(settings)
        queued = queued_parameters(enqueued(settings), plan)
        if local_file(plan.storage) != SweepPaths(plan.folder).journal:
            open_storage(plan.storage, for_sweep=True)  # one that cannot be used leaves no folder behind
        make_folder(plan.folder, "`hydra.sweep.dir` ")
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
        self._crew = Crew(config, context, composer.job_overrides, max_jobs, trials_per_job)

    def tune(self) -> None:
        """Run trials until the study holds as many as it shall; the result files are written in any case."""
        with closed_by(self._close):
            run_trials(self.study, self.plan, self._crew, TrialJob(self.plan, self._task, self._crew.share))

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
        counts = counted(self.study)
        if not is_hopeless(self.plan, counts) and counts.running == 0:
            run_again(self.reruns, self.study, self.plan, self._crew, self._task)

    def end(self) -> None:
        """Print the summary, and the reasons where all trials failed or too many.

        Raises:
            SweepFailed: too many trials failed.
        """
        print_summary(self.study, self.plan, self.reruns)
        counts = counted(self.study)
        gives_up = is_hopeless(self.plan, counts)
        if gives_up or 0 < counts.failed == counts.counted:
            reasons = ["why trials failed:", failure_table(self.study), error_line(self.study)]
            print("\n".join(filter(None, reasons)), flush=True)
        if gives_up:
            raise SweepFailed(
                f"{counts.failed} of {many(counts.counted, 'trial')} failed, more than "
                f"`hydra.sweeper.max_failure_rate` {self.plan.max_failure_rate:g} allows"
            )


@contextmanager
def optuna_quietened() -> Iterator[None]:
    """Keep Optuna's own line for each trial back, while ours are printed."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


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
