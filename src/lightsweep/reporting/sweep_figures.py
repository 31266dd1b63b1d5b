"""The figures of one sweep: how it went, what mattered, and where the best settings lie."""

import zlib
from collections.abc import Container, Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from lightsweep.reporting.drawing import INK, PALETTE, QUIET, Drawing, draw, legend_below, log_axis, whole_numbers
from lightsweep.reporting.numbers import scale, unit
from lightsweep.reporting.ranges import axis_range, colour_range, outside, widened
from lightsweep.reporting.runs import Run
from lightsweep.reporting.studies import SavedSweep, importances, key_of
from lightsweep.screen import many
from lightsweep.statistics import is_finite

Point = tuple[Any, float]
"""A place on the horizontal axis, a number or a choice, and a value."""

MOST_SLICES = 6
LEAST_MAP = 3
"""Complete trials that a map needs."""
LETTERS = 60
"""As many fit below a figure."""
MOST_NAMED = 40
"""Choices whose names fit below a figure: 600 take matplotlib half a minute and leave the axes no room."""
LONGEST = 100
"""Letters of a figure's name: a branch may list many choices, and a file's name has 255 bytes."""


def sweep_figures(sweep: SavedSweep, objectives: Sequence[str], trial_runs: Sequence[Run]) -> Iterator[Drawing]:
    """All figures of one sweep.

    Args:
        sweep: with its study.
        objectives: what its values are, one name for each direction.
        trial_runs: the runs of its trials.
    """
    if not sweep.complete:
        return
    if not sweep.single:
        yield _front(sweep, objectives)
        return
    objective = objectives[0]
    yield _history(sweep, objective)
    shares = importances(sweep)
    if len(shares) > 1:
        yield _importances(sweep, shares)
    drawn = [name for name in sweep.parameters if len(_with(sweep.trials, name)) > 1]
    for name in drawn[:MOST_SLICES]:
        yield _slice(sweep, objective, name)
    pair = _pair(sweep)
    if pair is not None:
        yield _map(sweep, objective, *pair)
    curves = _trial_curves(sweep, objective, trial_runs)
    if curves is not None:
        yield curves


def _history(sweep: SavedSweep, objective: str) -> Drawing:
    done, pruned, failed = _by_state(sweep)
    factor = scale(objective)
    best = np.maximum.accumulate if sweep.rises else np.minimum.accumulate
    values = [(trial.number, trial.values[0]) for trial in done]
    reported = [(trial.number, last) for trial in pruned if (last := _last(trial)) is not None]

    def paint(axes: Axes) -> None:
        _plot(axes, values, "o", PALETTE[0], "complete", factor)
        _plot(axes, reported, "x", QUIET, "pruned, last reported", factor)
        for place, trial in enumerate(failed):
            axes.axvline(trial.number, color=PALETTE[1], linewidth=0.8, label="" if place else "failed")
        kept = sorted(sweep.ranked(), key=lambda trial: trial.number)
        if kept:
            so_far = best([trial.values[0] * factor for trial in [*kept, kept[-1]]])
            numbers = [trial.number for trial in [*kept, sweep.trials[-1]]]  # the best stays it until the last trial
            axes.step(numbers, so_far, where="post", color=INK, linewidth=1.2, label="best so far")
        _keep_in_sight(axes, [*values, *reported], sweep.rises, factor)
        whole_numbers(axes.xaxis)
        axes.set_xlabel("trial")
        axes.set_ylabel(f"{objective}{unit(objective)}")
        legend_below(axes)

    caption = f"{_trial_counts(sweep)}{_out_of_sight([*values, *reported], sweep.rises)}"
    return draw(_name(sweep, "history"), f"{sweep.name}: optimization history", caption, paint)


def _importances(sweep: SavedSweep, shares: dict[str, float]) -> Drawing:
    ranked = sorted(shares.items(), key=lambda item: item[1])

    def paint(axes: Axes) -> None:
        axes.barh(
            [sweep.parameters[name] for name, _ in ranked], [100 * share for _, share in ranked], color=PALETTE[0]
        )
        axes.set_xlabel("share of importance (%)")

    caption = f"PED-ANOVA, Optuna's own, on {len(sweep.complete)} complete trials; with few trials it is a rough guide."
    size = (5.2, 1.2 + 0.3 * len(ranked))
    return draw(_name(sweep, "importances"), f"{sweep.name}: parameter importances", caption, paint, size)


def _slice(sweep: SavedSweep, objective: str, name: str) -> Drawing:
    """The values against a parameter that several trials drew."""
    done, pruned, _ = (_with(trials, name) for trials in _by_state(sweep))
    choices = [] if _is_numeric(sweep, name) else _tried_choices(sweep, name)
    tried = [(trial.params[name], trial.values[0]) for trial in done]
    dropped = [(trial.params[name], last) for trial in pruned if (last := _last(trial)) is not None]
    if choices:
        places = {choice: place for place, choice in enumerate(choices)}
        tried, dropped = ([(places[x], y) for x, y in points] for points in (tried, dropped))

    def paint(axes: Axes) -> None:
        _plot(axes, tried, "o", PALETTE[0], "complete", scale(objective))
        _plot(axes, dropped, "x", QUIET, "pruned, last reported", scale(objective))
        if _is_log(sweep, name):
            log_axis(axes.xaxis)
        if choices:
            _name_choices(axes, list(map(str, choices)))
        _keep_in_sight(axes, [*tried, *dropped], sweep.rises, scale(objective))
        if len(axes.get_legend_handles_labels()[0]) > 1:
            legend_below(axes)
        axes.set_xlabel(sweep.parameters[name])
        axes.set_ylabel(f"{objective}{unit(objective)}")

    title = f"{sweep.name}: {objective} against {sweep.parameters[name]}"
    caption = f"{_trial_counts(sweep, name)}{_out_of_sight([*tried, *dropped], sweep.rises)}"
    if len(choices) > MOST_NAMED:
        caption += f" Named: {len(choices[:: _apart(choices)])} of {len(choices)} choices."
    return draw(_name(sweep, f"slice-{name}"), title, caption, paint)


def _tried_choices(sweep: SavedSweep, name: str) -> list[Any]:
    """A parameter's choices that were drawn, in the order in which the sweep offers them."""
    drawn = {trial.params[name] for trial in _with(sweep.trials, name)}
    return [choice for choice in _distribution(sweep, name).choices if choice in drawn]


def _name_choices(axes: Axes, choices: Sequence[str]) -> None:
    """The choices below their places, or some, evenly apart; slanted where they would lie on one another."""
    named, slanted = range(0, len(choices), _apart(choices)), len("  ".join(choices)) > LETTERS
    names = [choices[place] for place in named]
    axes.set_xticks(named, names, rotation=25 if slanted else 0, ha="right" if slanted else "center")
    axes.set_xlim(-0.5, len(choices) - 0.5)


def _apart(choices: Sequence[Any]) -> int:
    """How many places lie between two choices that are named."""
    return -(-len(choices) // MOST_NAMED)


def _plot(axes: Axes, points: Sequence[Point], mark: str, colour: str, label: str, factor: float) -> None:
    if points:
        xs, ys = zip(*points, strict=True)
        size = 4 if mark == "o" else 5
        axes.plot(xs, [factor * y for y in ys], mark, color=colour, markersize=size, label=label)


def _keep_in_sight(axes: Axes, points: Sequence[Point], rises: bool, factor: float) -> None:
    """Where a failure would press all others into a line, choose the range without it, and mark it at the edge."""
    values = [y for _, y in points]
    ends = axis_range(values, rises)
    if outside(values, ends):
        edges = widened(ends, factor)
        beyond = [x for x, y in points if not ends[0] <= y <= ends[1]]
        mark, edge = ("v", edges[0]) if rises else ("^", edges[1])
        axes.plot(beyond, [edge] * len(beyond), mark, color=PALETTE[1], clip_on=False, label="beyond the axis")
        axes.set_ylim(*edges)


def _out_of_sight(points: Sequence[Point], rises: bool) -> str:
    values = [y for _, y in points]
    count = outside(values, axis_range(values, rises))
    return f" Beyond the axis, marked at its edge: {count}." if count else ""


def _pair(sweep: SavedSweep) -> tuple[str, str] | None:
    """The two numeric parameters to map: learning rate and momentum where they are searched, else the first two.

    Those of different branches are drawn by no trial together; None where too few drew any two of them.
    """
    names = [name for name in sweep.parameters if _is_numeric(sweep, name)]
    wanted = ("lr", "momentum")
    names.sort(
        key=lambda name: wanted.index(end) if (end := key_of(name).rpartition(".")[2]) in wanted else len(wanted)
    )
    pairs = combinations(names, 2)
    return next((pair for pair in pairs if len(_with(sweep.complete, *pair)) >= LEAST_MAP), None)


def _map(sweep: SavedSweep, objective: str, horizontal: str, vertical: str) -> Drawing:
    done, pruned, failed = (_with(trials, horizontal, vertical) for trials in _by_state(sweep))

    def places(trials: Sequence[FrozenTrial]) -> list[tuple[Any, Any]]:
        return [(trial.params[horizontal], trial.params[vertical]) for trial in trials]

    def paint(axes: Axes) -> None:
        for trials, mark, colour, label in ((pruned, "x", QUIET, "pruned"), (failed, "+", PALETTE[1], "failed")):
            if found := places(trials):
                axes.plot(*zip(*found, strict=True), mark, color=colour, markersize=6, label=label)
        values = [trial.values[0] * scale(objective) for trial in done]
        xs, ys = zip(*places(done), strict=True)
        low, high = colour_range(values, sweep.rises)
        look: dict[str, Any] = {"cmap": "viridis", "s": 36, "edgecolors": QUIET, "linewidths": 0.6}  # on dark pages too
        points = axes.scatter(xs, ys, c=values, vmin=low, vmax=high, **look)
        assert axes.figure is not None
        beyond = {(True, True): "both", (True, False): "min", (False, True): "max", (False, False): "neither"}
        extend = beyond[min(values) < low, max(values) > high]
        axes.figure.colorbar(points, ax=axes, label=f"{objective}{unit(objective)}", extend=extend)
        for place in places(_with(sweep.ranked()[:1], horizontal, vertical)):
            axes.plot(*place, "o", markersize=11, fillstyle="none", color=INK, label="best")
        for name, axis in ((horizontal, axes.xaxis), (vertical, axes.yaxis)):
            if _is_log(sweep, name):
                log_axis(axis)
        axes.set_xlabel(sweep.parameters[horizontal])
        axes.set_ylabel(sweep.parameters[vertical])
        if axes.get_legend_handles_labels()[0]:
            legend_below(axes)

    title = f"{sweep.name}: {sweep.parameters[horizontal]} × {sweep.parameters[vertical]}"
    return draw(_name(sweep, "map"), title, _trial_counts(sweep, horizontal, vertical), paint, (5.2, 4))


def _trial_curves(sweep: SavedSweep, objective: str, runs: Sequence[Run]) -> Drawing | None:
    curves = [(run, curve) for run in runs if len(curve := run.curve(objective, "epoch"))]
    if not curves:
        return None
    best = {str(trial.number) for trial in sweep.ranked()[:1]}
    values = [y for _, curve in curves for y in curve[:, 1].tolist()]
    ends = axis_range(values, sweep.rises)
    left_out = outside(values, ends)

    def paint(axes: Axes) -> None:
        seen = set()
        for run, curve in curves:
            kind = "best" if run.folder.name in best else run.status
            colour = {"best": INK, "completed": PALETTE[0], "pruned": QUIET}.get(kind, PALETTE[1])
            xs, ys = curve[:, 0], curve[:, 1] * scale(objective)
            label = "" if kind in seen else kind
            seen.add(kind)
            mark = {"marker": "x", "markevery": [-1]} if kind == "pruned" else {"marker": "."}
            axes.plot(xs, ys, color=colour, linewidth=2.2 if kind == "best" else 0.9, label=label, **mark)
        whole_numbers(axes.xaxis)
        axes.set_xlabel("epochs")
        axes.set_ylabel(f"{objective}{unit(objective)}")
        if left_out:
            axes.set_ylim(*widened(ends, scale(objective)))
        legend_below(axes)

    rest = f" Points of the lines beyond the axis: {left_out}." if left_out else ""
    caption = f"One line a trial; {_trial_counts(sweep)}{rest}"
    return draw(_name(sweep, "trials"), f"{sweep.name}: {objective} of each trial", caption, paint)


def _front(sweep: SavedSweep, objectives: Sequence[str]) -> Drawing:
    assert sweep.study is not None
    best = {trial.number for trial in sweep.study.best_trials}
    shown = list(zip(objectives, sweep.study.directions, strict=True))[:2]
    across, up = (_front_range(sweep, place, best) for place in range(2))
    left_out = sum(any((outside(t.values[:1], across), outside(t.values[1:2], up))) for t in sweep.complete)

    def paint(axes: Axes) -> None:
        for label, colour, chosen in (("dominated", QUIET, False), ("Pareto front", INK, True)):
            trials = [trial for trial in sweep.complete if (trial.number in best) is chosen]
            points = [[trial.values[i] * scale(name) for trial in trials] for i, (name, _) in enumerate(shown)]
            if trials:
                axes.plot(*points, "o", color=colour, markersize=5, label=label)
        labels = [f"{name}{unit(name)}, {direction.name.lower()}d" for name, direction in shown]
        axes.set(xlabel=labels[0], ylabel=labels[1])
        if left_out:
            axes.set(xlim=widened(across, scale(shown[0][0])), ylim=widened(up, scale(shown[1][0])))
        legend_below(axes)

    rest = f" Trials beyond the axes: {left_out}." if left_out else ""
    rest += f" Not drawn: {', '.join(objectives[2:])}." if len(objectives) > 2 else ""
    return draw(_name(sweep, "front"), f"{sweep.name}: Pareto front", f"{_trial_counts(sweep)}{rest}", paint)


def _front_range(sweep: SavedSweep, place: int, best: Container[int]) -> tuple[float, float]:
    """The range of one objective, in which the whole front lies: its ends may be far out, as a slow trial's are."""
    assert sweep.study is not None
    rises = sweep.study.directions[place] is StudyDirection.MAXIMIZE
    ends = axis_range([trial.values[place] for trial in sweep.complete], rises)
    front = [trial.values[place] for trial in sweep.complete if trial.number in best]
    seen = [*ends, *filter(is_finite, front)]
    return min(seen), max(seen)


def _by_state(sweep: SavedSweep) -> tuple[list[FrozenTrial], list[FrozenTrial], list[FrozenTrial]]:
    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    complete, pruned, failed = ([trial for trial in sweep.trials if trial.state is state] for state in states)
    return complete, pruned, failed


def _with(trials: Sequence[FrozenTrial], *names: str) -> list[FrozenTrial]:
    """The trials that drew all these parameters: those of a branch are drawn only in it."""
    return [trial for trial in trials if trial.params.keys() >= set(names)]


def _trial_counts(sweep: SavedSweep, *names: str) -> str:
    """How many trials a figure of these parameters shows."""
    found = [_with(trials, *names) for trials in _by_state(sweep)]
    every, shown = sum(map(len, _by_state(sweep))), sum(map(len, found))
    complete, pruned, failed = map(len, found)
    drawn = " and ".join(sweep.parameters[name] for name in names)
    rest = "" if shown == every else f" Without the {every - shown} that did not draw {drawn}."
    return f"n = {many(shown, 'trial')}: {complete} complete, {pruned} pruned, {failed} failed.{rest}"


def _distribution(sweep: SavedSweep, name: str) -> Any:
    return next(trial.distributions[name] for trial in sweep.trials if name in trial.distributions)


def _is_numeric(sweep: SavedSweep, name: str) -> bool:
    return hasattr(_distribution(sweep, name), "low")


def _is_log(sweep: SavedSweep, name: str) -> bool:
    return getattr(_distribution(sweep, name), "log", False)


def _last(trial: FrozenTrial) -> float | None:
    """The last finite value that a trial reported."""
    values = [value for _, value in sorted(trial.intermediate_values.items()) if is_finite(value)]
    return values[-1] if values else None


def _name(sweep: SavedSweep, what: str) -> str:
    """A figure's name, as a file's: what is too long for one ends in its hash, for branches differ in their ends."""
    words = f"sweep-{sweep.name}-{what}"
    name = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in words).rstrip("-")
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}-{zlib.crc32(words.encode()):08x}"
