"""What a launcher runs instead of the task: a function that claims a trial, runs the task and tells the study."""

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from hydra.utils import get_method
from omegaconf import DictConfig
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from lightsweep.launching.run_job import NoMore
from lightsweep.paths import RunPaths
from lightsweep.sweeping import marks
from lightsweep.sweeping.claim import KILLED, claim, give_up, lose, run_again
from lightsweep.sweeping.custom_space import draw_custom
from lightsweep.sweeping.folder import trial_folder_within
from lightsweep.sweeping.heartbeat import beating
from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.storage import local_file
from lightsweep.sweeping.study import study_storage
from lightsweep.sweeping.task_run import TaskRun, outcome_of_run, run_and_tell, work_off
from lightsweep.sweeping.trial import KilledTrial, running_trial
from lightsweep.sweeping.trial_outcome import TrialOutcome, failure, outcome_of_error, outcome_of_full_disk, text_of

log = logging.getLogger(__name__)


class TrialJob:
    """A picklable task function: Hydra's launcher calls it once a job, and the study decides what it does.

    Args:
        plan: the sweep.
        task: the application's task, ready to be run.
        max_trials: how many trials one job runs, one after the other; None for as many as the sweep needs.
    """

    runs_bare = True  # see `launching.run_job.BARE`

    def __init__(self, plan: Plan, task: TaskRun, max_trials: int | None = 1) -> None:
        self.plan, self.task, self.max_trials = plan, task, max_trials

    def __call__(self, _config: DictConfig) -> NoMore | None:
        """Run trials; see `work_off`."""
        return work_off(partial(claim, self.plan), self._run, self.max_trials)

    def _run(self, trial: Trial) -> OSError | None:
        return run_and_tell(partial(self._outcome, trial), partial(self._tell, trial))

    def _outcome(self, trial: Trial) -> TrialOutcome:
        """Draw, compose, run and judge; whatever goes wrong on the way is the trial's failure."""
        try:
            overrides = self._draw(trial)
            kills = trial.user_attrs.get(marks.KILLS, 0)
            if kills >= self.plan.max_kills:
                return replace(failure(f"lost its process {kills} times before with these settings"), recurs=True)
            config, folder = self.task.compose(overrides, trial.number)
        except Exception as error:
            full = outcome_of_full_disk(error, self.plan.folder)
            return full or replace(outcome_of_error(error), recurs=not isinstance(error, OSError))
        trial.set_user_attr(marks.FOLDER, str(folder))
        with running_trial(trial, _killed(trial, self.plan)), beating(self.plan, partial(_sign_of_life, trial)):
            returned = self.task.run(config, overrides, trial.number)
        pruned_at = trial.storage.get_trial(trial._trial_id).user_attrs.get(marks.PRUNED_AT)
        return self._constrained(trial, outcome_of_run(returned, folder, len(self.plan.directions), pruned_at))

    def _draw(self, trial: Trial) -> list[str]:
        """The trial's overrides: the space's, and what a custom search space adds."""
        overrides = self.plan.space.suggest(trial, self.plan.conditions.get)
        if self.plan.custom_search_space is not None:
            overrides += draw_custom(self.plan.custom_search_space, self.task.config, trial, overrides)
        return overrides

    def _constrained(self, trial: Trial, outcome: TrialOutcome) -> TrialOutcome:
        if self.plan.constraints is None or outcome.state is not TrialState.COMPLETE:
            return outcome
        try:
            limits = get_method(self.plan.constraints)(trial, list(outcome.values))
            for index, limit in enumerate(limits):
                trial.set_constraint(str(index), limit)
        except Exception as error:
            return failure(f"constraints: {type(error).__name__}: {text_of(error)}")
        return outcome

    def _tell(self, trial: Trial, outcome: TrialOutcome) -> None:
        """Write the outcome into the study; a trial that somebody else finished meanwhile stays as it is."""
        storage, study_id = study_storage(self.plan)
        if outcome.from_outside:
            with suppress(UpdateFinishedTrialError):
                trial.set_user_attr(marks.INTERRUPTED, True)
            give_up(trial.study, storage, trial._trial_id, outcome.reason)
            return
        if outcome.lost:
            killed = storage.get_trial(trial._trial_id)
            lose(trial.study, storage, killed, outcome.reason, self.plan.max_kills)
            return
        attempt = trial.user_attrs.get(marks.ATTEMPT, 0)
        tries_again = outcome.state is TrialState.FAIL and attempt < self.plan.retry_failed and not outcome.recurs
        try:
            if outcome.reason:
                trial.set_user_attr(marks.REASON, outcome.reason)
            if tries_again:
                trial.set_user_attr(marks.NOT_COUNTED, "tried again")
                # before the trial ends: another job would start a new trial in the copy's place
                run_again(trial.study, storage.get_trial(trial._trial_id), attempt + 1)
            trial.study.tell(trial, list(outcome.values) or None, outcome.state)
        except UpdateFinishedTrialError:
            log.warning("trial %d had been given up while it ran; its result is not used", trial.number)
            return
        except Exception as error:  # what a sampler raises comes after the state is saved
            if not storage.get_trial(trial._trial_id).state.is_finished():
                raise
            if isinstance(error, RuntimeError) and "`Study.stop`" in str(error):  # by one that has tried every point
                storage.set_study_user_attr(study_id, marks.STUDY_EXHAUSTED, True)
            else:
                log.exception(f"trial {trial.number} is in the study, but its sampler failed to learn of it")


def _sign_of_life(trial: Trial) -> None:
    trial.storage.set_trial_user_attr(trial._trial_id, marks.ALIVE, time.time())


def _killed(trial: Trial, plan: Plan) -> KilledTrial | None:
    """What trials left whose settings this one runs again, if they were killed; one that failed by itself begins anew.

    The newest of them may have been killed before it had repeated what an earlier one reported, or had its checkpoint.
    """
    if marks.RUN_AGAIN_OF not in trial.user_attrs:
        return None  # as nearly all; the study's list is not asked for
    trials, chain = trial.study.get_trials(deepcopy=False), []
    before = _killed_before(trial, trials)
    while before is not None:
        chain.append(before)
        before = _killed_before(before, trials)
    if not chain:
        return None
    reported = {step: value for each in reversed(chain) for step, value in each.intermediate_values.items()}
    folders = [_found(Path(each.user_attrs[marks.FOLDER]), plan) for each in chain]
    folder = next((folder for folder in folders if RunPaths(folder).last.is_file()), folders[0])
    pruned_at = [each.user_attrs[marks.PRUNED_AT] for each in chain if marks.PRUNED_AT in each.user_attrs]
    return KilledTrial(folder, reported, pruned_at[0] if pruned_at else None)


def _killed_before(trial: Trial | FrozenTrial, trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    number = trial.user_attrs.get(marks.RUN_AGAIN_OF)
    before = trials[number] if number is not None else None
    if before is None or before.user_attrs.get(marks.NOT_COUNTED) != KILLED or marks.FOLDER not in before.user_attrs:
        return None
    return before


def _found(folder: Path, plan: Plan) -> Path:
    """A trial's folder, or the one of its name in the sweep's folder if that was moved and the study with it.

    Beside a study that lies elsewhere a folder of that name may be another study's.
    """
    file = local_file(plan.storage)
    if folder.is_dir() or file is None or not file.is_relative_to(plan.folder):
        return folder
    return trial_folder_within(plan.folder, folder) or folder
