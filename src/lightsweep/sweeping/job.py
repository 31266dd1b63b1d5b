"""What a launcher runs instead of the task: a function that claims a trial, runs the task and tells the study."""

import logging
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, configure_log, run_job
from hydra.types import HydraContext, TaskFunction
from hydra.utils import get_method
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from lightsweep.errors import LightsweepError
from lightsweep.files import write_text
from lightsweep.paths import SweepPaths
from lightsweep.sweeping import marks
from lightsweep.sweeping.claim import claim, finish_uncounted, run_again
from lightsweep.sweeping.isolation import Command, children, end_children, isolated_trial
from lightsweep.sweeping.outcome import Outcome, failure, outcome_of_error, outcome_of_return
from lightsweep.sweeping.parameter import override_text
from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.storage import masked
from lightsweep.sweeping.study import study_storage
from lightsweep.sweeping.trial import running_trial

log = logging.getLogger(__name__)


class TrialJob:
    """A picklable task function: Hydra's launcher calls it once a job, and the study decides what it does.

    Args:
        plan: the sweep.
        context: Hydra's config loader and the application's callbacks.
        task_function: the application's own task.
        config: the sweep's configuration as Hydra composed it.
        command: how the application was started.
        max_trials: how many trials one job runs, one after the other; None for as many as the sweep needs.
    """

    def __init__(
        self,
        plan: Plan,
        context: HydraContext,
        task_function: TaskFunction,
        config: DictConfig,
        command: Command,
        max_trials: int | None = 1,
    ) -> None:
        self.plan, self.context, self.task_function = plan, context, task_function
        self.config, self.command, self.max_trials = config, command, max_trials

    def __call__(self, _: DictConfig) -> list[int]:
        """Run trials until the job has had its share or the sweep needs no more; returns their numbers."""
        numbers: list[int] = []
        while self.max_trials is None or len(numbers) < self.max_trials:
            trial = claim(self.plan)
            if trial is None:
                break
            numbers.append(trial.number)
            self._run(trial)
        return numbers

    def _run(self, trial: Trial) -> None:
        outer, before = HydraConfig.get(), children()
        try:
            outcome = self._outcome(trial)
        except (KeyboardInterrupt, SystemExit) as error:
            outcome = outcome_of_error(error)
            self._tell(trial, outcome)
            if outcome.from_outside:
                raise
        else:
            self._tell(trial, outcome)
        finally:
            # The task's run has pointed the loggers at its own folder.
            configure_log(cast(DictConfig, outer.job_logging), outer.verbose)
        if outcome.state is TrialState.FAIL:
            end_children(before)

    def _outcome(self, trial: Trial) -> Outcome:
        """Draw, compose, run and judge; whatever goes wrong on the way is the trial's failure."""
        try:
            overrides = self._draw(trial)
            config, folder = self._compose(trial, overrides)
        except Exception as error:
            return outcome_of_error(error)
        trial.set_user_attr(marks.FOLDER, str(folder))
        with running_trial(trial), isolated_trial(self.command, overrides, trial.number):
            returned = run_job(
                hydra_context=self.context,
                task_function=self.task_function,
                config=config,
                job_dir_key="hydra.sweep.dir",
                job_subdir_key="hydra.sweep.subdir",
            )
        pruned_at = trial.storage.get_trial(trial._trial_id).user_attrs.get(marks.PRUNED_AT)
        outcome = outcome_of_return(returned, len(self.plan.directions), pruned_at)
        if outcome.state is TrialState.FAIL:
            _write_error(folder, returned)
        return self._constrained(trial, outcome)

    def _draw(self, trial: Trial) -> list[str]:
        """The trial's overrides: the space's, and what a custom search space adds."""
        overrides = self.plan.space.suggest(trial, self.plan.conditions.get)
        if self.plan.custom_search_space is not None:
            known = set(trial.params)
            get_method(self.plan.custom_search_space)(self.config, trial)
            overrides += [f"{name}={override_text(value)}" for name, value in trial.params.items() if name not in known]
        return overrides

    def _compose(self, trial: Trial, overrides: Sequence[str]) -> tuple[DictConfig, Path]:
        """The trial's configuration, its storage without a password, and its folder, numbered like the trial."""
        config = self.context.config_loader.load_sweep_config(self.config, list(overrides))
        outer = HydraConfig.get().job
        with open_dict(config):
            config.hydra.job.num = trial.number
            config.hydra.job.id = str(trial.number) if str(outer.id) == str(outer.num) else outer.id
            config.hydra.sweep.dir = str(self.plan.folder)
            mask_storage(config)
        folder = _folder(config)
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.run.dir = str(folder)  # where DDP's other ranks write
        return config, folder

    def _constrained(self, trial: Trial, outcome: Outcome) -> Outcome:
        if self.plan.constraints is None or outcome.state is not TrialState.COMPLETE:
            return outcome
        try:
            limits = get_method(self.plan.constraints)(trial, list(outcome.values))
            for index, limit in enumerate(limits):
                trial.set_constraint(str(index), limit)
        except Exception as error:
            return failure(f"constraints: {type(error).__name__}: {error}")
        return outcome

    def _tell(self, trial: Trial, outcome: Outcome) -> None:
        """Write the outcome into the study; a trial that somebody else finished meanwhile stays as it is."""
        storage, study_id = study_storage(self.plan)
        if outcome.from_outside:
            if finish_uncounted(storage, trial._trial_id, "killed", outcome.reason):
                run_again(trial.study, storage.get_trial(trial._trial_id))
            return
        attempt = trial.user_attrs.get(marks.ATTEMPT, 0)
        try:
            if outcome.reason:
                trial.set_user_attr(marks.REASON, outcome.reason)
            if outcome.state is TrialState.FAIL and attempt < self.plan.retry_failed:
                trial.set_user_attr(marks.NOT_COUNTED, "tried again")
            trial.study.tell(trial, list(outcome.values) or None, outcome.state)
        except UpdateFinishedTrialError:
            log.warning("trial %d had been given up while it ran; its result is not used", trial.number)
            return
        except RuntimeError:
            # Samplers that try every point end the study from inside `tell`, after the state is saved.
            if not storage.get_trial(trial._trial_id).state.is_finished():
                raise
            storage.set_study_user_attr(study_id, marks.STUDY_EXHAUSTED, True)
        if outcome.state is TrialState.FAIL and attempt < self.plan.retry_failed:
            run_again(trial.study, storage.get_trial(trial._trial_id), attempt + 1)


def mask_storage(config: DictConfig) -> None:
    """Take the password out of a storage URL that stands literally in the configuration, before it is written down."""
    sweeper = OmegaConf.to_container(config.hydra.sweeper, resolve=False)
    assert isinstance(sweeper, dict)
    if isinstance(sweeper.get("storage"), str):
        config.hydra.sweeper.storage = masked(sweeper["storage"])
    overrides = OmegaConf.to_container(config.hydra.overrides.hydra, resolve=False)
    assert isinstance(overrides, list)
    config.hydra.overrides.hydra = [masked(str(line)) for line in overrides]


def _folder(config: DictConfig) -> Path:
    """The trial's folder; `hydra:` in its name means the trial's configuration, not the job's around it."""
    instance = HydraConfig.instance()
    outer = instance.cfg
    if "${hydra:" not in str(OmegaConf.to_container(config.hydra.sweep, resolve=False)):
        return Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir)  # the usual case, 5 ms cheaper
    try:
        instance.set_config(config)
        return Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir)
    finally:
        instance.cfg = outer


def _write_error(folder: Path, returned: JobReturn) -> None:
    """Keep the traceback of an exception; a user's mistake is one line and needs none."""
    error = returned._return_value
    if isinstance(error, Exception):
        text = str(error) if isinstance(error, LightsweepError) else "".join(traceback.format_exception(error))
        write_text(SweepPaths.error(folder), text + "\n")
