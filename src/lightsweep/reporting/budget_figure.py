"""What more trials of sweeps are worth: the figure of the expected best value against their number."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from lightsweep.reporting.drawing import Drawing, draw, legend_beside, styles_of, whole_numbers
from lightsweep.reporting.numbers import scale, unit
from lightsweep.reporting.ranges import axis_range, outside, widened
from lightsweep.reporting.studies import SavedSweep, budget_band, budget_values, expected_best

MOST_BANDS = 3
"""Curves that may have their bands in one figure; more have bars."""
BARS = 6
"""Bars of each curve, about."""
MOST_POINTS = 400
"""Points of each curve and band, about."""


def budget_figure(
    sweeps: Sequence[SavedSweep], objective: str, settings: Sequence[str] = (), file: str = "tuning-budget"
) -> Drawing | None:
    """The expected best value against the number of trials, one curve a sweep.

    Args:
        sweeps: those of this objective.
        objective: what their values are.
        settings: names that have their styles already; a sweep of such a name has that one.
        file: the name of its PNG file.
    """
    values = {sweep.name: (budget_values(sweep), sweep.rises) for sweep in sweeps if sweep.single}
    values = {name: found for name, found in values.items() if len(found[0]) > 1}
    if not values:
        return None

    ranges = [axis_range(found, rises) for found, rises in values.values()]
    ends = min(low for low, _ in ranges), max(high for _, high in ranges)
    left_out = sum(outside(found, ends) for found, _ in values.values())

    def paint(axes: Axes) -> None:
        drawn = []
        with legend_beside(axes):
            looks = styles_of([*settings, *values])
            for place, (name, (found, rises)) in enumerate(values.items()):
                colour, line = looks[name]
                budgets = _budgets(len(found))
                expected = expected_best(found, rises, budgets) * scale(objective)
                low, high = (end * scale(objective) for end in budget_band(found, rises, budgets))
                axes.plot(budgets, expected, line, color=colour, label=name)
                if len(values) <= MOST_BANDS:
                    axes.fill_between(budgets, low, high, color=colour, alpha=0.12, linewidth=0)
                else:
                    _bars(axes, budgets, low, high, (place + 0.5) / len(values) - 0.5, colour)
                drawn.append((expected, low, high))
        _look_at(axes, drawn, (ends[0] * scale(objective), ends[1] * scale(objective)))
        whole_numbers(axes.xaxis)
        axes.set_xlabel("trials")
        axes.set_ylabel(f"expected best {objective}{unit(objective)}")

    counts = ", ".join(f"{name} {len(found)}" for name, (found, _) in values.items())
    rest = f" Trials of which the value lies beyond the axis: {left_out}." if left_out else ""
    mark = "band" if len(values) <= MOST_BANDS else "bars beside each other"
    caption = (
        f"Closed form of Dodge et al. 2019 for trials drawn independently; {mark}: 95 % percentile bootstrap over sets "
        "of trials (2,000, seeded). The first two trials' values may lie outside. A pruned trial counts with the best "
        f"that it reported, one that failed or broke a constraint with the worst of all. n trials: {counts}.{rest}"
    )
    return draw(file, f"What more trials are worth: {objective}", caption, paint, (5.8, 3.4))


def _budgets(count: int) -> NDArray[np.integer]:
    """Numbers of trials up to `count`, evenly spaced: all of them where they are not too many, and the first three."""
    return np.union1d(np.arange(1, min(count, 3) + 1), np.linspace(1, count, min(count, MOST_POINTS)).astype(int))


def _bars(
    axes: Axes,
    budgets: NDArray[np.integer],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    place: float,
    colour: str,
) -> None:
    """A band as a few bars, `place` in (-0.5, 0.5) of the way to the next, so that several lie beside each other."""
    every = -(-len(budgets) // BARS)
    shown = slice(every - 1, None, every)
    beside = 0.7 * place * (budgets[-1] / len(budgets)) * every
    axes.vlines(budgets[shown] + beside, low[shown], high[shown], color=colour, alpha=0.6, linewidth=2)


def _look_at(axes: Axes, curves: Sequence[Sequence[NDArray[np.float64]]], ends: tuple[float, float]) -> None:
    """Choose the range so that what many trials give can be told apart: without the first two, if there are more.

    Args:
        axes: whose vertical axis is set.
        curves: of each sweep the expected values and both ends of the band.
        ends: what no trial's value lies beyond but those of a few that failed badly.
    """
    seen = np.concatenate([line[min(2, len(line) - 1) :] for curve in curves for line in curve]).clip(*ends)
    axes.set_ylim(*widened((seen.min(), seen.max())))
