"""Claiming a trial: who may start one, which orphans are run again, and how n_trials is kept exactly.

Claims of one study take turns on a lock file. Processes that do not share that file (two hosts on one database) can
race past each other; then the later trial is withdrawn, before it has drawn anything. Which is the later is told by the
trials' numbers, and a queued one has had its number since it was queued: where two hosts claim the last trial at once,
one of them from the queue, neither may withdraw, and the study gets one trial more than n_trials.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from lightsweep.sweeping import marks
from lightsweep.sweeping.owner import Owner
from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.storage import local_file, taking_turns
from lightsweep.sweeping.study import load_study, study_storage

JUDGED_FROM = 5  # trials; before so many have finished, failures are compared with this number
KILLED = "killed"  # why a trial does not count whose process is gone


def claim(plan: Plan) -> Trial | None:
    """Start the study's next trial in this process.

    Returns:
        The trial, owned by this process and with nothing drawn yet, or None when the sweep needs no more.
    """
    with taking_turns(plan.storage, plan.folder):
        release_orphans(plan)
        storage, study_id = study_storage(plan)
        trials = storage.get_all_trials(study_id, deepcopy=False)
        counts = marks.count(trials)
        if not may_start(plan, counts, storage, study_id):
            return None
        draw = None if plan.sampler.get("seed") is None else next_draw(trials)
        notes: dict[str, Any] = {marks.OWNER: Owner.here(plan.sweep).to_attribute(), marks.ALIVE: time.time()}
        if draw is not None:
            notes[marks.DRAW] = draw
        trial = _ask(load_study(plan, trial_index=draw), storage, trials, notes)
        shares_lock = local_file(plan.storage) is not None  # then nobody can have claimed one meanwhile
        if not shares_lock and _is_surplus(plan, trial.number, storage.get_all_trials(study_id, deepcopy=False)):
            finish(storage, trial._trial_id, "another process had claimed the last trial", not_counted="withdrawn")
            return None
        return trial


def _ask(study: Study, storage: BaseStorage, trials: Sequence[FrozenTrial], notes: dict[str, Any]) -> Trial:
    """As `Study.ask`, but the trial has its notes before it runs: one that runs without an owner is not of a sweep.

    A queued one has them again once it is started, since another host may have noted itself meanwhile.
    """

    def note(trial_id: int) -> None:
        for name, value in notes.items():
            storage.set_trial_user_attr(trial_id, name, value)

    waiting = next((trial for trial in trials if trial.state is TrialState.WAITING), None)
    if waiting is not None:
        with suppress(UpdateFinishedTrialError):
            note(waiting._trial_id)
    started = study._pop_waiting_trial_id()
    if started is not None:
        note(started)
    else:
        template = create_trial(state=TrialState.RUNNING, user_attrs=notes)
        started = storage.create_new_trial(study._study_id, template)
    return Trial(study, started)


def next_draw(trials: Sequence[FrozenTrial]) -> int:
    """Which of a seeded sweep's draws the next trial has: the first that none has had or may yet have.

    So a sweep that was interrupted draws as one that was not: a copy has the draw of the trial whose settings it runs
    again, and the draw of a trial that was killed before it drew is free.

    Args:
        trials: all of the study; Optuna starts the first of those that wait, or else a new one.
    """
    waiting = next((trial for trial in trials if trial.state is TrialState.WAITING), None)
    if waiting is not None and marks.RUN_AGAIN_OF in waiting.user_attrs:
        return _draw(waiting if marks.DRAW in waiting.user_attrs else trials[waiting.user_attrs[marks.RUN_AGAIN_OF]])
    had = {_draw(trial) for trial in trials if trial.params or trial.state is TrialState.RUNNING}
    return next(draw for draw in count() if draw not in had)


def _draw(trial: FrozenTrial) -> int:
    """A trial's draw; one of a sweep that had no seed has its number."""
    return trial.user_attrs.get(marks.DRAW, trial.number)


def may_start(plan: Plan, counts: marks.TrialCounts, storage: BaseStorage, study_id: int) -> bool:
    """Whether the sweep has time, need and settings for a further trial."""
    if plan.deadline is not None and time.time() >= plan.deadline:
        return False
    if counts.counted + counts.running >= plan.n_trials or is_hopeless(plan, counts):
        return False
    return counts.waiting > 0 or not storage.get_study_user_attrs(study_id).get(marks.STUDY_EXHAUSTED, False)


def is_hopeless(plan: Plan, counts: marks.TrialCounts) -> bool:
    """Whether more than `max_failure_rate` of the trials failed; a rate of 0 allows none, 1 allows all."""
    finished = max(counts.counted, min(plan.n_trials, JUDGED_FROM))
    return counts.failed / finished > plan.max_failure_rate  # exact at the limit, where a product is not: 0.29 * 100


def _is_surplus(plan: Plan, number: int, trials: Sequence[FrozenTrial]) -> bool:
    """Whether the trial came too late: those that finished, and the running ones up to it, are more than n_trials."""
    finished = marks.count(trials).counted
    ahead = [trial for trial in trials if marks.condition(trial) == "running" and trial.number <= number]
    return finished + len(ahead) > plan.n_trials


def release_orphans(plan: Plan, jobs_ended: bool = False) -> int:
    """Fail the trials whose process is gone, uncounted, and queue their settings to be run again.

    Call it with the claim lock held. Returns how many there were.

    Args:
        jobs_ended: the launcher has returned, so that no job of this sweep runs, wherever it was.
    """
    storage, study_id = study_storage(plan)
    orphans = [
        trial
        for trial in storage.get_all_trials(study_id, deepcopy=False, states=(TrialState.RUNNING,))
        if _is_orphan(trial, plan, jobs_ended)
    ]
    if orphans:
        study = load_study(plan)
        for trial in orphans:
            owner = trial.user_attrs[marks.OWNER]
            with suppress(UpdateFinishedTrialError):
                storage.set_trial_user_attr(trial._trial_id, marks.FOUND_GONE, True)
            who = f"process {owner['pid']} on {owner['host'].partition(' ')[0]}"
            lose(study, storage, trial, f"{who} is gone", plan.max_kills)
    return len(orphans)


def count_interruptions(plan: Plan) -> None:
    """Count a kill for settings that wait since a signal has ended their job, and not the sweep.

    Else a task that a watcher of the memory ends each time, or that interrupts itself, would be run again for ever.
    Call it with the claim lock held, between two rounds of jobs.
    """
    storage, study_id = study_storage(plan)
    trials = storage.get_all_trials(study_id, deepcopy=False)
    waiting = [trial for trial in trials if trial.state is TrialState.WAITING]
    for copy in (trial for trial in waiting if marks.RUN_AGAIN_OF in trial.user_attrs):
        before = trials[copy.user_attrs[marks.RUN_AGAIN_OF]].user_attrs
        kills = before.get(marks.KILLS, 0)
        is_ours = before.get(marks.OWNER, {}).get("sweep") == plan.sweep
        if marks.INTERRUPTED in before and is_ours and copy.user_attrs.get(marks.KILLS, 0) == kills:
            storage.set_trial_user_attr(copy._trial_id, marks.KILLS, kills + 1)


def lose(study: Study, storage: BaseStorage, trial: FrozenTrial, reason: str, max_kills: int) -> None:
    """Run the settings of a trial again that has lost a process.

    Unless they lose one each time that they are tried: then they are what kills it.
    """
    kills = trial.user_attrs.get(marks.KILLS, 0) + 1
    storage_id = trial._trial_id
    try:
        storage.set_trial_user_attr(storage_id, marks.KILLS, kills)
    except UpdateFinishedTrialError:
        return
    if kills >= max_kills:
        finish(storage, storage_id, with_kills(reason, kills))
    else:
        give_up(study, storage, storage_id, reason)


def with_kills(reason: str, kills: int) -> str:
    """Why settings are not tried again that have lost so many processes, the last for this reason."""
    return reason if kills == 1 else f"{reason}, as {kills - 1} before it with these settings"


def _is_orphan(trial: FrozenTrial, plan: Plan, jobs_ended: bool) -> bool:
    if marks.condition(trial) == "foreign":
        return False
    owner = Owner.from_attribute(trial.user_attrs[marks.OWNER])
    return is_gone(owner, trial.user_attrs.get(marks.ALIVE, 0.0), plan, jobs_ended)


def is_gone(owner: Owner, seen: float, plan: Plan, jobs_ended: bool = False) -> bool:
    """Whether a process no longer works on the study.

    Args:
        owner: the process.
        seen: `time.time()` of its last sign of life, which counts where it runs on another host.
        jobs_ended: see `release_orphans`.
    """
    if jobs_ended and plan.sweep and owner.sweep == plan.sweep:
        return True
    if owner.is_local():
        return owner.is_dead()
    return plan.remote_timeout_s is not None and time.time() - seen > plan.remote_timeout_s


def finish(storage: BaseStorage, trial_id: int, reason: str, not_counted: str | None = None) -> None:
    """Fail a trial, unless it has finished meanwhile; with a word why it does not count, if it does not.

    The state is set past the sampler, which must not learn from a trial that nobody finished.
    """
    with suppress(UpdateFinishedTrialError):
        storage.set_trial_user_attr(trial_id, marks.REASON, reason)
        if not_counted is not None:
            storage.set_trial_user_attr(trial_id, marks.NOT_COUNTED, not_counted)
        storage.set_trial_state_values(trial_id, TrialState.FAIL)


def give_up(study: Study, storage: BaseStorage, trial_id: int, reason: str) -> None:
    """Queue a killed trial's settings, then finish it uncounted.

    In this order, since this process can be killed too: between the two the trial is still an orphan, whom the next
    claim gives up again, and the queue is looked through so that it is not queued twice.
    """
    trial = storage.get_trial(trial_id)
    queued = (other.user_attrs.get(marks.RUN_AGAIN_OF) for other in study.get_trials(deepcopy=False))
    if trial.number not in queued:
        run_again(study, trial)
    finish(storage, trial_id, reason, not_counted=KILLED)


def run_again(study: Study, trial: FrozenTrial, attempt: int | None = None) -> None:
    """Queue a trial's settings; the copy names its origin. A trial that had drawn nothing needs no copy."""
    system: dict[str, Any] = {
        name: trial.system_attrs[name] for name in ("grid_id", "search_space") if name in trial.system_attrs
    }
    fixed = trial.params or trial.system_attrs.get("fixed_params", {})
    if fixed and "grid_id" not in system:
        system["fixed_params"] = fixed
        # nothing is drawn, so that genetic samplers and CMA-ES would not count its result in the generation it is of
        system |= {name: value for name, value in trial.system_attrs.items() if name.endswith(":generation")}
    if not system:
        return
    user = {
        marks.RUN_AGAIN_OF: trial.number,
        marks.KILLS: trial.user_attrs.get(marks.KILLS, 0),
        marks.ATTEMPT: trial.user_attrs.get(marks.ATTEMPT, 0) if attempt is None else attempt,
    }
    if marks.DRAW in trial.user_attrs:
        user[marks.DRAW] = trial.user_attrs[marks.DRAW]
    study.add_trial(create_trial(state=TrialState.WAITING, system_attrs=system, user_attrs=user))
