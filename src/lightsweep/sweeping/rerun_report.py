"""What the re-runs came to: for each setting its tuned value beside the mean on fresh seeds, and the test metrics."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from optuna.study import Study

from lightsweep.files import write_csv
from lightsweep.paths import SweepPaths
from lightsweep.statistics import Estimate
from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.rerun import Rerun, RerunResult, results_of
from lightsweep.sweeping.results import parameters_of

_LATER = "start the sweep again to run it"
_NOT_RUN = RerunResult("not run", reason=_LATER)


@dataclass(frozen=True)
class Repeated:
    """One setting and its re-runs.

    Args:
        rank: the setting's place, from 1.
        trial: the number of the trial that found it.
        tuned: the trial's own value, which the sweep picked because it was good.
        runs: each re-run with its result.
    """

    rank: int
    trial: int
    tuned: float
    runs: tuple[tuple[Rerun, RerunResult], ...]

    @property
    def value(self) -> Estimate:
        """The mean of what the task returned."""
        return Estimate.of([result.value for _, result in self.runs if result.value is not None])

    @property
    def test(self) -> dict[str, Estimate]:
        """The mean of each test metric that the runs' result.json holds."""
        names = sorted({name for _, result in self.runs for name in result.test})
        return {
            name: Estimate.of([result.test[name] for _, result in self.runs if name in result.test]) for name in names
        }


def repeated(reruns: Sequence[Rerun], study: Study, plan: Plan) -> list[Repeated]:
    """The settings that were run again, best first; empty before the first re-run has begun."""
    results = results_of(reruns, plan) if reruns else []
    if not any(results):
        return []
    runs = list(zip(reruns, map(_as_left, results), strict=True))
    tuned = {trial.number: trial.value for trial in study.get_trials(deepcopy=False)}
    trials = list(dict.fromkeys(rerun.trial for rerun in reruns))
    return [
        Repeated(rank, number, tuned[number] or 0.0, tuple(run for run in runs if run[0].trial == number))
        for rank, number in enumerate(trials, 1)
    ]


def _as_left(result: RerunResult | None) -> RerunResult:
    """A re-run as it is when no job of the sweep runs any more."""
    if result is None:
        return _NOT_RUN
    if result.is_final:
        return result
    reason = result.reason or "its process ended before the task did"
    return replace(result, state="lost", reason=f"{reason}; {_LATER} again")


def rerun_lines(reruns: Sequence[Rerun], study: Study, plan: Plan) -> list[str]:
    """For each setting a line with tuned value, mean and 95 % interval, and a line for each run that failed."""
    lines = []
    for setting in repeated(reruns, study, plan):
        seeds = ", ".join(str(rerun.seed) for rerun, _ in setting.runs)
        measured = [f"{name} {estimate}" for name, estimate in setting.test.items()]
        parts = [f"tuned {setting.tuned:.6g}", f"on fresh seeds {setting.value}", *measured]
        lines.append(f"trial {setting.trial} run again on seeds {seeds}: {'; '.join(parts)}")
        lines += [
            f"  seed {rerun.seed} {result.state}: {result.reason}"
            for rerun, result in setting.runs
            if result.state != "complete"
        ]
    if lines:
        lines.append("± is half the 95 % interval of the mean (Student's t)")
    return lines


def write_rerun_tables(reruns: Sequence[Rerun], study: Study, plan: Plan) -> None:
    """Write rerun.csv, one row a setting, and rerun_runs.csv, one row a run; nothing when nothing was run again."""
    settings = repeated(reruns, study, plan)
    if settings:
        paths = SweepPaths(plan.folder)
        write_csv(paths.rerun_settings, _settings_table(settings, study, plan))
        write_csv(paths.rerun_runs, _runs_table(settings))


def _settings_table(settings: Sequence[Repeated], study: Study, plan: Plan) -> list[list[Any]]:
    trials = study.get_trials(deepcopy=False)
    drawn = [parameters_of(trials[setting.trial], plan) for setting in settings]
    keys = sorted({key for parameters in drawn for key in parameters})
    metrics = sorted({name for setting in settings for name in setting.test})
    head = ["rank", "trial", "tuned", "n", "failed", "mean", "half_width_95"]
    head += [column for name in metrics for column in (name, f"{name}_half_width_95")]
    rows: list[list[Any]] = [[*head, *keys]]
    for setting, parameters in zip(settings, drawn, strict=True):
        value = setting.value
        row: list[Any] = [setting.rank, setting.trial, setting.tuned, value.n, len(setting.runs) - value.n]
        row += [value.mean, value.half_width]
        for name in metrics:
            estimate = setting.test.get(name, Estimate(0, None, None))
            row += [estimate.mean, estimate.half_width]
        rows.append([*row, *(parameters.get(key) for key in keys)])
    return rows


def _runs_table(settings: Sequence[Repeated]) -> list[list[Any]]:
    metrics = sorted({name for setting in settings for name in setting.test})
    rows: list[list[Any]] = [["rank", "trial", "seed", "state", "value", *metrics, "duration_s", "reason"]]
    for setting in settings:
        for rerun, result in setting.runs:
            row: list[Any] = [setting.rank, setting.trial, rerun.seed, result.state, result.value]
            row += [result.test.get(name) for name in metrics]
            rows.append([*row, result.seconds, result.reason])
    return rows
