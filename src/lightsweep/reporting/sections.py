"""The sections of a report, each from runs and settings to words, tables and figures; None where it would be empty."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from optuna.trial import FrozenTrial

from lightsweep.reporting.budget_figure import budget_figure
from lightsweep.reporting.comparing import MOST_COMPARED, OTHER_CLASSES, Difference, default_target, metrics_of, targets
from lightsweep.reporting.drawing import Drawing
from lightsweep.reporting.figures import best_first, curve_figures, first_word, means_figure
from lightsweep.reporting.grouping import GROUPS, Group, heading, repeated_by, rises, written
from lightsweep.reporting.losses import NOT_ALIKE, is_loss, kinds, warning
from lightsweep.reporting.numbers import interval, number, probability, scale, unit
from lightsweep.reporting.page import Section
from lightsweep.reporting.repetitions import overlap, told
from lightsweep.reporting.runs import AXES, Run
from lightsweep.reporting.studies import SavedSweep, all_tie, at_edge, key_of
from lightsweep.reporting.sweep_figures import sweep_figures
from lightsweep.reporting.tables import Table
from lightsweep.screen import many
from lightsweep.sweeping import marks

ALL_PAIRS, TOP = 28, 10
"""Up to so many pairs of settings are shown all, above those with the best; so many trials of a sweep are listed."""


def results(groups: Sequence[Group], metrics: Sequence[str], metric: str) -> Section | None:
    """The table of means, the figure of the first metric, and what differs between the settings."""
    counted = best_first([group for group in groups if group.completed], metric)
    if not counted:
        return None
    rows = []
    for group in counted:
        cells = []
        for name in metrics:
            estimate = group.estimate(name)
            n = "" if estimate.n in (0, len(group.completed)) else f" (n {estimate.n})"
            cells.append(interval(estimate, name) + n)
        rows.append([group.name, f"{len(group.completed)} of {len(group.runs)}", *cells])
    head = ["setting", "n completed", *(f"{name}{unit(name)}" for name in metrics)]
    first = first_word(counted, metric).capitalize()
    note = (
        f"Mean ± half the 95 % interval of the mean by Student's t over the {repeated_by(counted)}s; no interval with "
        f"one run or where all are equal. {_widened(counted)}"
        f"{first} {metric} first. val/… and test/… are those of each run's best checkpoint. "
        f"{warning(counted, metrics, metric)}"
    ).strip()
    tables = {"": Table(head, rows, note)}
    differing = _what_differs(counted)
    if differing is not None:
        tables["What differs"] = differing
    figure = means_figure(counted, metric)
    return Section("Results", (), tables, [figure] if figure is not None else [])


def _widened(groups: Sequence[Group]) -> str:
    """What is to be known of intervals over folds; empty where there are none."""
    if not any(overlap(group.repetitions) for group in groups):
        return ""
    return "Folds share training examples, for which intervals are widened and p raised (Nadeau and Bengio 2003). "


def _what_differs(groups: Sequence[Group]) -> Table | None:
    """The values that settings do not share, but for the class of a config group, which their names say."""
    found = dict.fromkeys(key for group in groups for key in group.settings)
    keys = [key for key in found if heading(key) not in GROUPS]
    if not keys:
        return None
    columns = [written(key, [group.settings.get(key) for group in groups]) for key in keys]
    rows = [[group.name, *cells] for group, *cells in zip(groups, *columns, strict=True)]
    return Table(["setting", *(heading(key) or key for key in keys)], rows)


def paired(groups: Sequence[Group], found: Mapping[str, Sequence[Difference]], metric: str) -> Section | None:
    """The differences of settings that share repetitions: of the first metric, the others folded.

    Args:
        groups: the settings, best first.
        found: the differences of each metric.
        metric: the first.
    """
    counted = [group for group in groups if group.completed]
    if len(counted) < 2:
        return None
    one = repeated_by(counted)
    tables = {name: _differences(counted, name, pairs) for name, pairs in found.items() if pairs}
    if not tables:
        same = f"on the same {one}s, two or more. Run them on common {one}s."
        text = [f"None can be given: no two settings were run {same}"]
        return Section("Differences", text)
    pairs = len(counted) * (len(counted) - 1) // 2
    text = [
        f"First less second, {one} by {one}: what the {one}s have in common cancels. Each 95 % interval stands by "
        f"itself. {_widened(counted)}"
        f"p is of Student's paired t, corrected by Holm's method over the pairs of one metric ({pairs} at most), so "
        "that the chance of even one false difference among them stays below it. Where the corrected p is above 0.05, "
        "these runs do not show a difference; that does not mean that there is none.",
    ]
    first = metric if metric in tables else next(iter(tables))
    others = {f"{name}{unit(name)}": table for name, table in tables.items() if name != first}
    inner = [Section("Other metrics", tables=others)] if others else []
    return Section("Differences", text, {f"{first}{unit(first)}": tables[first]}, inner=inner)


def _differences(groups: Sequence[Group], metric: str, found: Sequence[Difference]) -> Table:
    best, rising, one = found[0].first, rises(groups, metric), repeated_by(groups)  # of those that share seeds
    shown = found if len(found) <= ALL_PAIRS else [pair for pair in found if best in (pair.first, pair.second)]
    rows = []
    for pair in shown:
        cells = [interval(pair.estimate, metric, signed=True), str(pair.estimate.n), probability(pair.adjusted)]
        rows.append([f"{pair.first} − {pair.second}", *cells, _better(pair, rising)])
    notes = [] if shown == found else [f"The {len(shown)} pairs with {best}; all {len(found)} are in differences.csv."]
    if len(groups) > MOST_COMPARED:
        notes = [f"The pairs with {best}: of more than {MOST_COMPARED} settings no others are compared."]
    if any(pair.estimate.p is None and not pair.note for pair in shown):
        notes.append(f"Where all {one}s differ by the same, neither an interval nor p can be given.")
    if any(pair.note == OTHER_CLASSES for pair in shown):
        notes.append(f"Settings of which the data have {OTHER_CLASSES} to tell apart are not compared.")
    if rising is None:
        notes.append(f"The runs do not say whether more {metric} is better.")
    return Table(["pair", "difference ± 95 %", f"n {one}s", "p (Holm)", "better"], rows, " ".join(notes))


def _better(pair: Difference, rising: bool | None) -> str:
    if pair.note:
        return pair.note
    if pair.adjusted is None or pair.adjusted > 0.05:
        return "not shown"
    if rising is None:
        return "–"
    return pair.first if ((pair.estimate.mean or 0.0) > 0) == rising else pair.second


def curves(groups: Sequence[Group], metric: str) -> Section | None:
    """Learning curves of the validation metric and of the training loss."""
    counted = [group for group in groups if group.completed]
    watched = _watched(counted, metric)
    names = dict.fromkeys(name for name in (watched, "train/loss_epoch", "train/loss") if name)
    figures: list[Drawing] = []
    for name in names:
        if name != "train/loss" or len(figures) < 6:
            figures += list(curve_figures(counted, name, metric))
    return Section("Learning curves", figures=figures) if figures else None


def _watched(groups: Sequence[Group], metric: str) -> str:
    """The column of metrics.csv to watch: the metric itself where it is one, else what picked the best checkpoint."""
    runs = [run for group in groups for run in group.completed]
    columns = {name for run in runs for name in run.columns} - {*AXES}
    if metric in columns:
        return metric
    same = metric.replace("test/", "val/")
    if same in columns:
        return same
    return next((run.monitor for run in runs if run.monitor in columns), "")


def time_to_target(groups: Sequence[Group], metric: str, target: float | None) -> Section | None:
    """Steps and seconds to a value of the validation metric."""
    counted = [group for group in groups if group.completed]
    watched = _watched(counted, metric)
    value = default_target(counted, watched) if target is None and watched else target
    if not watched or value is None:
        return None
    found = [each for each in targets(best_first(counted, metric), watched, value) if each.tried]
    rows = [[it.group, f"{it.reached} of {it.tried}", interval(it.steps), interval(it.seconds)] for it in found]
    one = repeated_by(counted)
    sign = "at most" if rises(counted, watched) is False else "at least"
    shown = number(value, watched) + (" %" if scale(watched) == 100 else "")
    usual = f"the median of the {one}s' {first_word(counted, watched)}; another with target=…"
    why = usual if target is None else "as asked for"
    text = [
        f"When {watched} is first {sign} {shown} ({why}). Means ± 95 % interval (Student's t) over the {one}s that "
        "reach it, so where some do not, the others look faster than the setting is. Seconds count from the run's "
        "start."
    ]
    if kinds(counted, watched):
        text.append(f"These settings have {NOT_ALIKE}, so the one value asks more of some than of others.")
    return Section(
        "Time to a target", text, {"": Table(["setting", f"{one}s that reach it", "steps", "seconds"], rows)}
    )


def sweeps(found: Sequence[SavedSweep], runs: Sequence[Run], settings: Sequence[str] = ()) -> Section | None:
    """The tuning-budget curves of all sweeps, and for each its trials and figures."""
    if not found:
        return None
    trials = [[run for run in runs if _is_trial_of(run, sweep)] for sweep in found]
    budgets = [figure for figure in _budgets(found, trials, settings) if figure is not None]
    inner = [_sweep(sweep, own) for sweep, own in zip(found, trials, strict=True)]
    edges = [
        f"{sweep.name}: the best trial's {', '.join(map(key_of, names))} lies within 5 % of an end of its "
        "range; the best may lie beyond it."
        for sweep in found
        if sweep.single and (best := sweep.ranked()) and (names := at_edge(best[0]))
    ]
    text = ["Trials never see the test set.", *edges]
    if len(inner) == 1:  # nothing to fold away
        only = inner[0]
        return Section(f"Sweep {only.title}", [*text, *only.text], only.tables, [*budgets, *only.figures])
    return Section("Sweeps", text, figures=budgets, inner=inner)


def _budgets(
    found: Sequence[SavedSweep], trials: Sequence[Sequence[Run]], settings: Sequence[str]
) -> list[Drawing | None]:
    by_objective: dict[tuple[str, str], list[SavedSweep]] = {}
    for sweep, own in zip(found, trials, strict=True):
        if sweep.single:
            objective = _objectives(sweep, own)[0]
            kind = " or ".join(sorted({run.loss for run in own})) if is_loss(objective) else ""
            by_objective.setdefault((objective, kind), []).append(sweep)
    ends = ["", *(f"-{place}" for place in range(2, len(by_objective) + 1))]
    return [
        budget_figure(group, objective, settings, f"tuning-budget{end}")
        for end, ((objective, _), group) in zip(ends, by_objective.items(), strict=False)
    ]


def _sweep(sweep: SavedSweep, trial_runs: Sequence[Run]) -> Section:
    if sweep.study is None:
        return Section(sweep.name, [sweep.note])
    objectives = _objectives(sweep, trial_runs)
    counts = marks.count(sweep.study.get_trials(deepcopy=False))
    text = [
        f"Study {sweep.study.study_name}: {many(counts.counted, 'trial')} finished ({counts.complete} complete, "
        f"{counts.pruned} pruned, {counts.failed} failed), {counts.not_counted} not counted, "
        f"{counts.running + counts.foreign} running."
    ]
    if sweep.others:
        text.append(f"It is the study of the sweeps in {', '.join(map(str, sweep.folders))}.")
    if sweep.single and all_tie(sweep):
        text.append(f"No importances: all {len(sweep.complete)} complete trials have the same value.")
    best = sweep.ranked()[: TOP if sweep.single else None]
    best_ones = "The best trial" if len(best) == 1 else f"The best {len(best)} trials"
    title = best_ones if sweep.single else "The Pareto front"
    tables = {title: _trials_table(best, objectives)} if best else {}
    return Section(sweep.name, text, tables, list(sweep_figures(sweep, objectives, trial_runs)))


def _trials_table(trials: Sequence[FrozenTrial], objectives: Sequence[str]) -> Table:
    """Each trial's values, in the units of what they are, and its parameters."""
    drawn = [{key_of(name): value for name, value in trial.params.items()} for trial in trials]  # one branch each
    keys = list(dict.fromkeys(key for parameters in drawn for key in parameters))
    rows = []
    for trial, parameters in zip(trials, drawn, strict=True):
        values = [number(value, objective) for value, objective in zip(trial.values, objectives, strict=True)]
        rows.append([f"trial {trial.number}", *values, *(_value(parameters.get(key)) for key in keys)])
    return Table(["trial", *(f"{objective}{unit(objective)}" for objective in objectives), *keys], rows)


def _objectives(sweep: SavedSweep, trial_runs: Sequence[Run]) -> list[str]:
    """What the sweep's values are, one name for each, as its trials' configurations say."""
    count = len(sweep.study.directions) if sweep.study is not None else 1
    for run in trial_runs:
        names = (run.settings or {}).get("objectives", ["monitor"])
        if isinstance(names, list) and len(names) == count and (run.monitor or "monitor" not in names):
            return [run.monitor if name == "monitor" else str(name) for name in names]
    return ["value"] if count == 1 else [f"value {index}" for index in range(count)]


def _is_trial_of(run: Run, sweep: SavedSweep) -> bool:
    return run.kind == "trial" and run.folder.resolve().parent in sweep.folders


def not_counted(runs: Sequence[Run], groups: Sequence[Group]) -> Section | None:
    """Every run that is not completed, with its setting and its reason; pruned trials folded."""
    left = [run for run in runs if not run.completed]
    if not left:
        return None
    text = ["These are in no mean. A setting of which runs are missing here may look better or worse than it is."]
    bad = [run for run in left if run.status != "pruned"]
    pruned = [run for run in left if run.status == "pruned"]
    base = _base(runs)
    tables = {"": _runs_table(bad, base, groups)} if bad else {}
    inner = [Section(f"{len(pruned)} pruned", tables={"": _runs_table(pruned, base, groups)})] if pruned else []
    return Section("Not counted", text if bad else [], tables, inner=inner)


def _runs_table(runs: Sequence[Run], base: Path, groups: Sequence[Group]) -> Table:
    head, cells = _setting_column(runs, groups)
    rows = [
        [_place(run, base), *cell, run.status, told(run), run.reason] for run, cell in zip(runs, cells, strict=True)
    ]
    return Table([_head(base), *head, "status", "seed", "reason"], rows)


def every_run(runs: Sequence[Run], groups: Sequence[Group]) -> Section:
    """Each run's own numbers, as result.json has them."""
    metrics, base = metrics_of(runs), _base(runs)
    head, cells = _setting_column(runs, groups)
    rows = [
        [_place(run, base), *cell, run.kind, run.status, told(run)]
        + [f"{run.metrics[name]:.6g}" if name in run.metrics else "–" for name in metrics]
        for run, cell in zip(runs, cells, strict=True)
    ]
    text = [f"From {base}. Numbers as in result.json, to six digits."]
    table = Table([_head(base), *head, "kind", "status", "seed", *metrics], rows)
    return Section("Every run", text, {"": table}, folded=True)


def _setting_column(runs: Sequence[Run], groups: Sequence[Group]) -> tuple[list[str], list[list[str]]]:
    """A column of each run's setting, where there are several; trials have none."""
    names = {run.folder: group.name for group in groups for run in group.runs}
    found = [names.get(run.folder, "–") for run in runs]
    told = len(groups) > 1 and set(found) != {"–"}
    return (["setting"], [[name] for name in found]) if told else ([], [[] for _ in found])


def _base(runs: Sequence[Run]) -> Path:
    """The folder that holds all runs."""
    return Path(os.path.commonpath([run.folder.resolve().parent for run in runs]))


def _head(base: Path) -> str:
    return f"folder in {base.name or base}"


def _place(run: Run, base: Path) -> str:
    return run.folder.resolve().relative_to(base).as_posix()


def _value(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
