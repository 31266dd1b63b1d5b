"""The figures of sweeps: how they went, what mattered, where the best settings lie, and what more trials are worth."""

import zlib
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from lightsweep.reporting.drawing import (
    INK,
    PALETTE,
    QUIET,
    Drawing,
    draw,
    legend_beside,
    log_axis,
    styles_of,
    whole_numbers,
)
from lightsweep.reporting.numbers import many, scale, unit
from lightsweep.reporting.runs import Run
from lightsweep.reporting.studies import Sweep, budget_band, budget_values, expected_best, importances, key_of

MOST_SLICES = 6
MOST_BANDS = 3
"""Curves that may have their bands in one figure; more have bars."""
BARS = 6
"""Bars of each curve, about."""
LEAST_MAP = 3
"""Complete trials that a map needs."""
LONGEST = 100
"""Letters of a figure's name: a branch may list many choices, and a file's name has 255 bytes."""


def budget_figure(sweeps: Sequence[Sweep], objective: str, settings: Sequence[str] = ()) -> Drawing | None:
    """The expected best value against the number of trials, one curve a sweep.

    Args:
        sweeps: those with this objective.
        objective: a metric.
        settings: names that have their styles already; a sweep of such a name has that one.
    """
    values = {sweep.name: (budget_values(sweep), sweep.rises) for sweep in sweeps if sweep.single}
    values = {name: found for name, found in values.items() if len(found[0]) > 1}
    if not values:
        return None

    def paint(axes: Axes) -> None:
        drawn = []
        with legend_beside(axes):
            looks = styles_of([*settings, *values])
            for place, (name, (found, rises)) in enumerate(values.items()):
                colour, line = looks[name]
                expected = expected_best(found, rises) * scale(objective)
                low, high = (end * scale(objective) for end in budget_band(found, rises))
                axes.plot(range(1, len(found) + 1), expected, line, color=colour, label=name)
                if len(values) <= MOST_BANDS:
                    axes.fill_between(range(1, len(found) + 1), low, high, color=colour, alpha=0.12, linewidth=0)
                else:
                    _bars(axes, low, high, (place + 0.5) / len(values) - 0.5, colour)
                drawn.append((expected, low, high))
        _look_at(axes, drawn)
        whole_numbers(axes.xaxis)
        axes.set_xlabel("trials")
        axes.set_ylabel(f"expected best {objective}{unit(objective)}")

    counts = ", ".join(f"{name} {len(found)}" for name, (found, _) in values.items())
    mark = "band" if len(values) <= MOST_BANDS else "bars beside each other"
    caption = (
        f"Closed form of Dodge et al. 2019 for trials drawn independently; {mark}: 95 % percentile bootstrap over sets "
        "of trials (2,000, seeded). The first two trials' values may lie outside. A pruned trial counts with the best "
        f"that it reported, one that failed or broke a constraint with the worst of all. n trials: {counts}."
    )
    return draw("tuning-budget", f"What more trials are worth: {objective}", caption, paint, (5.8, 3.4))


def _bars(axes: Axes, low: NDArray[np.float64], high: NDArray[np.float64], place: float, colour: str) -> None:
    """A band as a few bars, `place` in (-0.5, 0.5) of the way to the next, so that several lie beside each other."""
    every = -(-len(low) // BARS)
    trials = np.arange(every, len(low) + 1, every)
    axes.vlines(trials + 0.7 * every * place, low[trials - 1], high[trials - 1], color=colour, alpha=0.6, linewidth=2)


def _look_at(axes: Axes, curves: Sequence[Sequence[NDArray[np.float64]]]) -> None:
    """Choose the range so that what many trials give can be told apart: without the first two, if there are more.

    Args:
        axes: whose vertical axis is set.
        curves: of each sweep the expected values and both ends of the band.
    """
    seen = np.concatenate([line[min(2, len(line) - 1) :] for curve in curves for line in curve])
    margin = 0.05 * (seen.max() - seen.min()) or 1e-3
    axes.set_ylim(seen.min() - margin, seen.max() + margin)


def sweep_figures(sweep: Sweep, objectives: Sequence[str], trial_runs: Sequence[Run]) -> Iterator[Drawing]:
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
    yield from _slices(sweep, objective)
    pair = _pair(sweep)
    if pair is not None:
        yield _map(sweep, objective, *pair)
    curves = _trial_curves(sweep, objective, trial_runs)
    if curves is not None:
        yield curves


def _history(sweep: Sweep, objective: str) -> Drawing:
    done, pruned, failed = _by_state(sweep)
    factor = scale(objective)
    best = np.maximum.accumulate if sweep.rises else np.minimum.accumulate

    def paint(axes: Axes) -> None:
        values = [trial.values[0] * factor for trial in done]
        axes.plot([trial.number for trial in done], values, "o", color=PALETTE[0], markersize=4, label="complete")
        reported = [(trial.number, last * factor) for trial in pruned if (last := _last(trial)) is not None]
        if reported:
            axes.plot(*zip(*reported, strict=True), "x", color=QUIET, markersize=5, label="pruned, last reported")
        for place, trial in enumerate(failed):
            axes.axvline(trial.number, color=PALETTE[1], linewidth=0.8, label="" if place else "failed")
        kept = sorted(sweep.ranked(), key=lambda trial: trial.number)
        if kept:
            so_far = best([trial.values[0] * factor for trial in kept])
            axes.step([t.number for t in kept], so_far, where="post", color=INK, linewidth=1.2, label="best so far")
        whole_numbers(axes.xaxis)
        axes.set_xlabel("trial")
        axes.set_ylabel(f"{objective}{unit(objective)}")
        axes.legend()

    return draw(_name(sweep, "history"), f"{sweep.name}: optimization history", _trial_counts(sweep), paint)


def _importances(sweep: Sweep, shares: dict[str, float]) -> Drawing:
    ranked = sorted(shares.items(), key=lambda item: item[1])

    def paint(axes: Axes) -> None:
        axes.barh(
            [sweep.parameters[name] for name, _ in ranked], [100 * share for _, share in ranked], color=PALETTE[0]
        )
        axes.set_xlabel("share of importance (%)")

    caption = f"PED-ANOVA, Optuna's own, on {len(sweep.complete)} complete trials; with few trials it is a rough guide."
    size = (5.2, 1.2 + 0.3 * len(ranked))
    return draw(_name(sweep, "importances"), f"{sweep.name}: parameter importances", caption, paint, size)


def _slices(sweep: Sweep, objective: str) -> Iterator[Drawing]:
    for name, label in list(sweep.parameters.items())[:MOST_SLICES]:

        def paint(axes: Axes, name: str = name, label: str = label) -> None:
            factor = scale(objective)
            done, pruned, _ = (_with(trials, name) for trials in _by_state(sweep))
            tried = [(trial.params[name], trial.values[0] * factor) for trial in done]
            reported = [(trial.params[name], _last(trial)) for trial in pruned]
            dropped = [(x, last * factor) for x, last in reported if last is not None]
            if not _is_numeric(sweep, name):
                tried, dropped = ([(str(x), y) for x, y in points] for points in (tried, dropped))
            axes.plot(*zip(*tried, strict=True), "o", color=PALETTE[0], markersize=4, label="complete")
            if dropped:
                axes.plot(*zip(*dropped, strict=True), "x", color=QUIET, markersize=5, label="pruned, last reported")
                axes.legend()
            if _is_log(sweep, name):
                log_axis(axes.xaxis)
            axes.set_xlabel(label)
            axes.set_ylabel(f"{objective}{unit(objective)}")

        title = f"{sweep.name}: {objective} against {label}"
        yield draw(_name(sweep, f"slice-{name}"), title, _trial_counts(sweep, name), paint)


def _pair(sweep: Sweep) -> tuple[str, str] | None:
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


def _map(sweep: Sweep, objective: str, horizontal: str, vertical: str) -> Drawing:
    done, pruned, failed = (_with(trials, horizontal, vertical) for trials in _by_state(sweep))

    def places(trials: Sequence[FrozenTrial]) -> list[tuple[Any, Any]]:
        return [(trial.params[horizontal], trial.params[vertical]) for trial in trials]

    def paint(axes: Axes) -> None:
        for trials, mark, colour, label in ((pruned, "x", QUIET, "pruned"), (failed, "+", PALETTE[1], "failed")):
            if found := places(trials):
                axes.plot(*zip(*found, strict=True), mark, color=colour, markersize=6, label=label)
        values = [trial.values[0] * scale(objective) for trial in done]
        xs, ys = zip(*places(done), strict=True)
        low, high = colour_range(values)
        points = axes.scatter(xs, ys, c=values, cmap="viridis", s=36, vmin=low, vmax=high)
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
            axes.legend(loc="upper left", bbox_to_anchor=(0, -0.18), ncols=3)

    title = f"{sweep.name}: {sweep.parameters[horizontal]} × {sweep.parameters[vertical]}"
    return draw(_name(sweep, "map"), title, _trial_counts(sweep, horizontal, vertical), paint, (5.2, 4))


def colour_range(values: Sequence[float]) -> tuple[float, float]:
    """The range that colours tell apart: Tukey's fences, so that one failure does not make all others look alike."""
    first, third = np.quantile(values, [0.25, 0.75])
    reach = 1.5 * (third - first)
    return max(min(values), first - reach), min(max(values), third + reach)


def _trial_curves(sweep: Sweep, objective: str, runs: Sequence[Run]) -> Drawing | None:
    curves = [(run, curve) for run in runs if (curve := run.curve(objective, "epoch"))]
    if not curves:
        return None
    best = {str(trial.number) for trial in sweep.ranked()[:1]}

    def paint(axes: Axes) -> None:
        seen = set()
        for run, curve in curves:
            kind = "best" if run.folder.name in best else run.status
            colour = {"best": INK, "completed": PALETTE[0], "pruned": QUIET}.get(kind, PALETTE[1])
            xs, ys = zip(*((x, y * scale(objective)) for x, y in curve), strict=True)
            label = "" if kind in seen else kind
            seen.add(kind)
            axes.plot(xs, ys, color=colour, marker=".", linewidth=2.2 if kind == "best" else 0.9, label=label)
        whole_numbers(axes.xaxis)
        axes.set_xlabel("epochs")
        axes.set_ylabel(f"{objective}{unit(objective)}")
        axes.legend()

    caption = f"One line a trial; {_trial_counts(sweep)}"
    return draw(_name(sweep, "trials"), f"{sweep.name}: {objective} of each trial", caption, paint)


def _front(sweep: Sweep, objectives: Sequence[str]) -> Drawing:
    assert sweep.study is not None
    best = {trial.number for trial in sweep.study.best_trials}
    shown = list(zip(objectives, sweep.study.directions, strict=True))[:2]

    def paint(axes: Axes) -> None:
        for label, colour, chosen in (("dominated", QUIET, False), ("Pareto front", INK, True)):
            trials = [trial for trial in sweep.complete if (trial.number in best) is chosen]
            points = [[trial.values[i] * scale(name) for trial in trials] for i, (name, _) in enumerate(shown)]
            if trials:
                axes.plot(*points, "o", color=colour, markersize=5, label=label)
        across, up = (f"{name}{unit(name)}, {direction.name.lower()}d" for name, direction in shown)
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        axes.legend()

    rest = f" Not drawn: {', '.join(objectives[2:])}." if len(objectives) > 2 else ""
    return draw(_name(sweep, "front"), f"{sweep.name}: Pareto front", f"{_trial_counts(sweep)}{rest}", paint)


def _by_state(sweep: Sweep) -> tuple[list[FrozenTrial], list[FrozenTrial], list[FrozenTrial]]:
    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    complete, pruned, failed = ([trial for trial in sweep.trials if trial.state is state] for state in states)
    return complete, pruned, failed


def _with(trials: Sequence[FrozenTrial], *names: str) -> list[FrozenTrial]:
    """The trials that drew all these parameters: those of a branch are drawn only in it."""
    return [trial for trial in trials if trial.params.keys() >= set(names)]


def _trial_counts(sweep: Sweep, *names: str) -> str:
    """How many trials a figure of these parameters shows."""
    found = [_with(trials, *names) for trials in _by_state(sweep)]
    every, shown = sum(map(len, _by_state(sweep))), sum(map(len, found))
    complete, pruned, failed = map(len, found)
    drawn = " and ".join(sweep.parameters[name] for name in names)
    rest = "" if shown == every else f" Without the {every - shown} that did not draw {drawn}."
    return f"n = {many(shown, 'trial')}: {complete} complete, {pruned} pruned, {failed} failed.{rest}"


def _distribution(sweep: Sweep, name: str) -> Any:
    return next(trial.distributions[name] for trial in sweep.trials if name in trial.distributions)


def _is_numeric(sweep: Sweep, name: str) -> bool:
    return hasattr(_distribution(sweep, name), "low")


def _is_log(sweep: Sweep, name: str) -> bool:
    return getattr(_distribution(sweep, name), "log", False)


def _last(trial: FrozenTrial) -> float | None:
    """The last finite value that a trial reported."""
    values = [value for _, value in sorted(trial.intermediate_values.items()) if np.isfinite(value)]
    return values[-1] if values else None


def _name(sweep: Sweep, what: str) -> str:
    """A figure's name, as a file's: what is too long for one ends in its hash, for branches differ in their ends."""
    words = f"sweep-{sweep.name}-{what}"
    name = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in words).rstrip("-")
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}-{zlib.crc32(words.encode()):08x}"
