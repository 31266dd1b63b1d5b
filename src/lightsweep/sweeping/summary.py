"""The text of a sweep: one line a finished trial, the ten best at the end, the reasons of failures."""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from lightsweep.paths import SweepPaths
from lightsweep.screen import many
from lightsweep.sweeping import marks
from lightsweep.sweeping.claim import is_hopeless
from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.rerun import Rerun
from lightsweep.sweeping.rerun_report import rerun_lines
from lightsweep.sweeping.results import parameters_of, ranked_trials, reason_of, state_word

if TYPE_CHECKING:
    from rich.table import Table

TOP = 10


def trial_line(trial: FrozenTrial, plan: Plan) -> str:
    """`trial 7  complete  0.9871  optimizer.lr=0.0123 …`; one that failed or breaks a constraint says so."""
    values = ", ".join(f"{value:.6g}" for value in trial.values or ())
    reason = reason_of(trial) if trial.state in (TrialState.FAIL, TrialState.COMPLETE) else ""
    parts = [f"trial {trial.number}", state_word(trial), values, shown_parameters(trial, plan), reason]
    return "  ".join(part for part in parts if part)


def shown_parameters(trial: FrozenTrial, plan: Plan) -> str:
    """`key=value` for each parameter, numbers to six digits."""
    return " ".join(f"{key}={_short(value)}" for key, value in parameters_of(trial, plan).items())


def summary_lines(study: Study, plan: Plan, reruns: Sequence[Rerun] = ()) -> list[str]:
    """The counts, the ten best, the re-runs, and where the files are."""
    return [
        *_counts(study, plan),
        *(trial_line(trial, plan) for trial in ranked_trials(study)[:TOP]),
        *_ending(study, plan, reruns),
    ]


def _counts(study: Study, plan: Plan) -> list[str]:
    trials = study.get_trials(deepcopy=False)
    counts = marks.count(trials)
    finished = f"{counts.counted} of {many(plan.n_trials, 'trial')} finished"
    if counts.counted > plan.n_trials:
        finished = f"{many(counts.counted, 'trial')} finished, {plan.n_trials} wanted"
    not_counted = f"; {counts.not_counted} not counted" if counts.not_counted else ""
    how = f"({counts.complete} complete, {counts.pruned} pruned, {counts.failed} failed{not_counted})"
    lines = ["; ".join([f"study {plan.study_name}: {finished} {how}", *_why_not_more(study, plan, counts)])]
    if plan.constraints is not None and counts.complete and not ranked_trials(study):
        lines[0] += "; no trial keeps the constraints, so there is no best.yaml"
    waiting = [trial for trial in trials if marks.condition(trial) == "waiting"]
    if untried := sum(marks.RUN_AGAIN_OF not in trial.user_attrs for trial in waiting):
        lines[0] += f"; settings enqueued but not tried: {untried}"
    if counts.running:
        lines.append(
            f"{many(counts.running, 'trial')} still under way in other processes; if those are gone with their host, "
            f"start again {_after(plan.remote_timeout_s)}"
        )
    if counts.foreign:
        lines.append(f"{many(counts.foreign, 'trial')} begun by another program: left alone, and counted once finished")
    return lines


def _why_not_more(study: Study, plan: Plan, counts: marks.TrialCounts) -> list[str]:
    """What ended the sweep before its last trial; too many failures have an error of their own."""
    if counts.counted >= plan.n_trials or is_hopeless(plan, counts):
        return []
    if study.user_attrs.get(marks.STUDY_EXHAUSTED, False):
        return ["the space has no more points"]
    is_late = plan.deadline is not None and time.time() >= plan.deadline
    return ["the time (`timeout_s`) is up"] if is_late else []


def _after(timeout_s: float | None) -> str:
    if timeout_s is None:
        return "with `hydra.sweeper.remote_timeout_s` set"
    return f"{timeout_s:g} s after their last sign of life"


def _ending(study: Study, plan: Plan, reruns: Sequence[Rerun]) -> list[str]:
    return [*rerun_lines(reruns, study, plan), f"files: {plan.folder}"]


def print_summary(study: Study, plan: Plan, reruns: Sequence[Rerun]) -> None:
    """Print the end of a sweep: plain lines, or on a terminal the ten best as a table."""
    if not sys.stdout.isatty():
        print("\n".join(summary_lines(study, plan, reruns)), flush=True)
        return
    from rich.console import Console

    console = Console()
    console.print("\n".join(_counts(study, plan)), highlight=False, markup=False)
    if best := ranked_trials(study)[:TOP]:
        console.print(top_table(best, plan))
    console.print("\n".join(_ending(study, plan, reruns)), highlight=False, markup=False, soft_wrap=True)


def top_table(best: Sequence[FrozenTrial], plan: Plan) -> "Table":
    """Trials as a table: number, values, one column a parameter."""
    from rich.table import Table

    drawn = [parameters_of(trial, plan) for trial in best]
    keys = list(dict.fromkeys(key for parameters in drawn for key in parameters))
    table = Table("trial", *(f"value {direction}d" for direction in plan.directions), *keys)
    for trial, parameters in zip(best, drawn, strict=True):
        values = [f"{value:.6g}" for value in trial.values or ()]
        table.add_row(str(trial.number), *values, *(_short(parameters.get(key, "")) for key in keys))
    return table


def failure_table(study: Study) -> str:
    """Each reason with how often it came, the commonest first."""
    reasons = Counter(
        str(trial.user_attrs.get(marks.REASON, "no reason given"))
        for trial in study.get_trials(deepcopy=False)
        if marks.condition(trial) == "failed"
    )
    return "\n".join(f"{count:>5} × {reason}" for reason, count in reasons.most_common())


def error_line(study: Study) -> str:
    """Where the error of one trial lies that failed for the commonest reason there is one for; else an empty text."""
    failed = [trial for trial in study.get_trials(deepcopy=False) if marks.condition(trial) == "failed"]
    reasons = Counter(trial.user_attrs.get(marks.REASON) for trial in failed)
    for trial in sorted(failed, key=lambda trial: -reasons[trial.user_attrs.get(marks.REASON)]):
        folder = trial.user_attrs.get(marks.FOLDER)
        if folder is not None and (file := SweepPaths.error(Path(folder))).is_file():
            return f"the error of trial {trial.number}: {file}"
    return ""


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
