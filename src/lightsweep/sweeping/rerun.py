"""Running the best settings again on seeds that no trial used: a sweep's best value is partly luck of its seed.

Like trials, re-runs are claimed by jobs and their results kept in the study, so that any launcher and any storage
serves, two sweeps on one study share the work, and what is finished is not run again.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig
from optuna.study import Study
from optuna.trial import TrialState

from lightsweep.config.saved import read_result
from lightsweep.errors import RunFolderError
from lightsweep.launching.run_job import NoMore
from lightsweep.paths import RunPaths, SweepPaths
from lightsweep.sweeping import marks
from lightsweep.sweeping.claim import is_gone, with_kills
from lightsweep.sweeping.grammar import bare
from lightsweep.sweeping.heartbeat import beating
from lightsweep.sweeping.owner import Owner
from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.results import drawn_by_task, ranked_trials, trial_overrides
from lightsweep.sweeping.storage import taking_turns
from lightsweep.sweeping.study import study_storage
from lightsweep.sweeping.task_run import TaskRun, outcome_of_run, run_and_tell, work_off
from lightsweep.sweeping.trial import running_again
from lightsweep.sweeping.trial_outcome import TrialOutcome, outcome_of_error, outcome_of_full_disk


@dataclass(frozen=True)
class Rerun:
    """One run to make: the settings of a trial with another seed.

    Args:
        rank: the settings' place, from 1.
        trial: the number of the trial that found them.
        seed: the fresh seed.
        overrides: the override lines, seed included.
    """

    rank: int
    trial: int
    seed: int
    overrides: tuple[str, ...]

    @property
    def mark(self) -> str:
        """The study's attribute that holds its result."""
        return f"{marks.RERUN}{self.trial}:{self.seed}"


@dataclass(frozen=True)
class RerunResult:
    """What is kept of a re-run in the study.

    Args:
        state: running, lost, complete or failed.
        owner: the process that runs it, as a mapping.
        started: `time.time()` of its start.
        alive: `time.time()` of its last sign of life.
        value: what the task returned.
        test: the metrics `test/…` of the run's result.json, where it has one.
        reason: why it failed or was lost.
        kills: how often it has lost a process.
    """

    state: str
    owner: dict[str, Any] = field(default_factory=dict)
    started: float = 0.0
    alive: float = 0.0
    seconds: float | None = None
    value: float | None = None
    test: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    kills: int = 0

    @property
    def is_final(self) -> bool:
        """Whether the task has ended, well or not."""
        return self.state in ("complete", "failed")


def wanted_reruns(
    study: Study, plan: Plan, config: DictConfig, loader: ConfigLoader, first_seed: int | None = None
) -> list[Rerun]:
    """The re-runs of the finished sweep, best settings first; settings that several trials share count once.

    Args:
        study: the sweep's.
        plan: the sweep.
        config: the sweep's configuration.
        loader: composes trial configurations.
        first_seed: of the fresh ones, at least the study's own `first_fresh_seed`, which None stands for.
    """
    if plan.rerun.seeds == 0:
        return []
    key = plan.rerun.seed_key
    settings: dict[tuple[str, ...], int] = {}
    for trial in ranked_trials(study):
        if len(settings) == plan.rerun.top:
            break
        lines = trial_overrides(trial, plan, drawn_by_task(trial, plan, config, loader))
        settings.setdefault(tuple(line for line in lines if bare(line.partition("=")[0]) != key), trial.number)
    first_seed = first_fresh_seed(study, plan) if first_seed is None else first_seed
    return [
        Rerun(rank, number, seed, (*lines, f"++{key}={seed}"))
        for rank, (lines, number) in enumerate(settings.items(), 1)
        for seed in range(first_seed, first_seed + plan.rerun.seeds)
    ]


def first_fresh_seed(study: Study, plan: Plan) -> int:
    """The seed after the greatest that any trial of the study used."""
    used = set(study.user_attrs.get(marks.STUDY_SEEDS, ()))
    for trial in study.get_trials(deepcopy=False):
        used |= {value for name, value in trial.params.items() if bare(name.partition("[")[0]) == plan.rerun.seed_key}
    return max((seed for seed in used if isinstance(seed, int)), default=-1) + 1


def note_seed(study: Study, plan: Plan) -> None:
    """Write this sweep's own seed into the study, whose trials may come from several sweeps."""
    with taking_turns(plan.storage, plan.folder):
        known = study.user_attrs.get(marks.STUDY_SEEDS, [])
        if plan.seed is not None and plan.seed not in known:
            study.set_user_attr(marks.STUDY_SEEDS, [*known, plan.seed])


def results_of(reruns: Sequence[Rerun], plan: Plan) -> list[RerunResult | None]:
    """What the study holds of each re-run; None of one that was never started."""
    storage, study_id = study_storage(plan)
    kept = storage.get_study_user_attrs(study_id)
    return [RerunResult(**kept[rerun.mark]) if rerun.mark in kept else None for rerun in reruns]


def unfinished(reruns: Sequence[Rerun], plan: Plan) -> list[Rerun]:
    """Those without a result: never started, lost, or started by a process that is gone or still at it."""
    results = results_of(reruns, plan)
    return [rerun for rerun, result in zip(reruns, results, strict=True) if result is None or not result.is_final]


class RerunJob:
    """A picklable task function like `TrialJob`: claims a re-run, runs the task, and keeps the result in the study.

    Args:
        plan: the sweep.
        task: the application's task, ready to be run.
        reruns: all that are to be made.
        max_runs: how many one job makes, one after the other; None for as many as there are.
    """

    runs_bare = True  # see `launching.run_job.BARE`

    def __init__(self, plan: Plan, task: TaskRun, reruns: Sequence[Rerun], max_runs: int | None = 1) -> None:
        self.plan, self.task, self.reruns, self.max_runs = plan, task, tuple(reruns), max_runs

    def __call__(self, _config: DictConfig) -> NoMore | None:
        """Make re-runs; see `work_off`."""
        return work_off(self._claim, self._run, self.max_runs)

    def _claim(self) -> tuple[Rerun, RerunResult] | None:
        """The first re-run that nobody has finished or is at, marked as this process's."""
        with taking_turns(self.plan.storage, self.plan.folder):
            for rerun, result in self._released():
                if result is None or result.state == "lost":
                    kills = 0 if result is None else result.kills
                    owner = Owner.here(self.plan.sweep).to_attribute()
                    running = RerunResult("running", owner, time.time(), time.time(), kills=kills)
                    self._keep(rerun, running)
                    return rerun, running
        return None

    def release(self) -> None:
        """Leave what this sweep's jobs were at to the next round: their launcher has returned, so that none runs."""
        with taking_turns(self.plan.storage, self.plan.folder):
            self._released(jobs_ended=True)

    def _released(self, jobs_ended: bool = False) -> list[tuple[Rerun, RerunResult | None]]:
        """The re-runs with their results, those that have lost their process marked so; see `is_gone`."""
        found = []
        for rerun, result in zip(self.reruns, results_of(self.reruns, self.plan), strict=True):
            if result is not None and result.state == "running":
                owner = Owner.from_attribute(result.owner)
                if is_gone(owner, result.alive, self.plan, jobs_ended):
                    result = self._lose(rerun, result, "its process is gone")
            found.append((rerun, result))
        return found

    def _lose(self, rerun: Rerun, running: RerunResult, reason: str) -> RerunResult:
        """Leave a re-run that has lost a process to the next job, unless it loses one each time that it is made."""
        kills = running.kills + 1
        is_last = kills >= self.plan.max_kills
        reason = with_kills(reason, kills) if is_last else reason
        lost = replace(running, state="failed" if is_last else "lost", reason=reason, kills=kills)
        self._keep(rerun, lost)
        return lost

    def _run(self, claimed: tuple[Rerun, RerunResult]) -> OSError | None:
        return run_and_tell(partial(self._outcome, *claimed), partial(self._tell, *claimed))

    def _outcome(self, rerun: Rerun, running: RerunResult) -> TrialOutcome:
        try:
            subdir = str(self._folder(rerun).relative_to(self.plan.folder))
            config, folder = self.task.compose(rerun.overrides, self.reruns.index(rerun), subdir)
        except Exception as error:
            return outcome_of_full_disk(error, self.plan.folder) or outcome_of_error(error)
        with running_again(), beating(self.plan, lambda: self._keep(rerun, replace(running, alive=time.time()))):
            returned = self.task.run(config, rerun.overrides, None)
        return outcome_of_run(returned, folder, 1)

    def _tell(self, rerun: Rerun, running: RerunResult, outcome: TrialOutcome) -> None:
        """Keep the outcome in the study; what was stopped from outside is left to the next job."""
        if outcome.from_outside:  # somebody's wish or a full disk, and not what its settings do to a process
            self._keep(rerun, replace(running, state="lost", reason=outcome.reason))
        elif outcome.lost:
            self._lose(rerun, running, outcome.reason)
        else:
            self._keep(rerun, _ended(running, outcome, _test_metrics(self._folder(rerun))))

    def _folder(self, rerun: Rerun) -> Path:
        return SweepPaths(self.plan.folder).rerun(rerun.trial, rerun.seed)

    def _keep(self, rerun: Rerun, result: RerunResult) -> None:
        storage, study_id = study_storage(self.plan)
        storage.set_study_user_attr(study_id, rerun.mark, asdict(result))


def _ended(running: RerunResult, outcome: TrialOutcome, test: dict[str, float]) -> RerunResult:
    state = "complete" if outcome.state is TrialState.COMPLETE else "failed"
    value = outcome.values[0] if outcome.values else None
    now = time.time()
    seconds = round(now - running.started, 3)
    return replace(running, state=state, alive=now, seconds=seconds, value=value, test=test, reason=outcome.reason)


def _test_metrics(folder: Path) -> dict[str, float]:
    """The numbers `test/…` of a run's result.json; none where the task writes no such file, or another by its name."""
    try:
        named = read_result(RunPaths(folder)).items()
    except RunFolderError:
        return {}
    return {name: float(value) for name, value in named if name.startswith("test/") and isinstance(value, int | float)}
