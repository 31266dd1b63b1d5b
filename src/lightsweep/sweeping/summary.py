"""The text of a sweep: one line a finished trial, the ten best at the end, the reasons of failures."""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from lightsweep.paths import SweepPaths
from lightsweep.sweeping import marks
from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.results import best_trials, parameters_of, state_word

if TYPE_CHECKING:
    from rich.table import Table

TOP = 10


def trial_line(trial: FrozenTrial, plan: Plan) -> str:
    """`trial 7  complete  0.9871  optimizer.lr=0.0123 …`; a failed trial gives its reason."""
    values = ", ".join(f"{value:.6g}" for value in trial.values or ())
    reason = trial.user_attrs.get(marks.REASON, "") if trial.state is TrialState.FAIL else ""
    parts = [f"trial {trial.number}", state_word(trial), values, shown_parameters(trial, plan), reason]
    return "  ".join(part for part in parts if part)


def shown_parameters(trial: FrozenTrial, plan: Plan) -> str:
    """`key=value` for each parameter, numbers to six digits."""
    return " ".join(f"{key}={_short(value)}" for key, value in parameters_of(trial, plan).items())


def top_trials(study: Study) -> list[FrozenTrial]:
    """The ten best completed trials, best first; with several directions the Pareto front."""
    if len(study.directions) > 1:
        return best_trials(study)[:TOP]
    done = [trial for trial in study.get_trials(deepcopy=False) if trial.state is TrialState.COMPLETE]
    sign = -1 if study.direction.name == "MAXIMIZE" else 1
    return sorted(done, key=lambda trial: (sign * (trial.value or 0.0), trial.number))[:TOP]


def summary_lines(study: Study, plan: Plan) -> list[str]:
    """The counts, the ten best, and where the files are."""
    counts = marks.tally(study.get_trials(deepcopy=False))
    lines = [
        f"study {plan.study_name}: {counts.counted} of {plan.n_trials} trials finished "
        f"({counts.complete} complete, {counts.pruned} pruned, {counts.failed} failed"
        + (f"; {counts.not_counted} not counted)" if counts.not_counted else ")")
    ]
    if counts.running:
        lines.append(
            f"{counts.running} trials run in other processes; if those are dead on another host, set "
            "`hydra.sweeper.remote_timeout_s` and start again"
        )
    lines += [trial_line(trial, plan) for trial in top_trials(study)]
    lines.append(f"files: {SweepPaths(plan.folder).folder}")
    return lines


def print_summary(study: Study, plan: Plan) -> None:
    """Print the end of a sweep: plain lines, or on a terminal the ten best as a table."""
    lines = summary_lines(study, plan)
    if not sys.stdout.isatty():
        print("\n".join(lines), flush=True)
        return
    from rich.console import Console

    best = top_trials(study)
    console = Console()
    console.print("\n".join(lines[: len(lines) - 1 - len(best)]), highlight=False)
    if best:
        console.print(top_table(best, plan))
    console.print(lines[-1], highlight=False, soft_wrap=True)


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


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
