"""The figures of settings: their means, and their learning curves."""

from collections.abc import Iterator, Mapping, Sequence

from matplotlib.axes import Axes

from lightsweep.reporting.curves import Curve, mean_curve
from lightsweep.reporting.drawing import (
    INK,
    QUIET,
    Drawing,
    draw,
    few_numbers,
    legend_beside,
    log_axis,
    only_possible,
    styles_of,
    whole_numbers,
    wide,
)
from lightsweep.reporting.grouping import Group, repeated_by, rises
from lightsweep.reporting.labels import labels
from lightsweep.reporting.losses import kinds
from lightsweep.reporting.numbers import scale, unit
from lightsweep.screen import many

MOST_CURVES, MOST_ROWS = 12, 30
_AXES = {"epoch": "epochs", "step": "optimizer steps", "seconds": "seconds since the run's start"}


def best_first(groups: Sequence[Group], metric: str) -> list[Group]:
    """Groups by their mean, those without one last; the greatest first where nothing says whether more is better."""
    sign = 1 if rises(groups, metric) is False else -1

    def place(group: Group) -> tuple[bool, float]:
        mean = group.estimate(metric).mean
        return (mean is None, sign * (mean or 0.0))

    return sorted(groups, key=place)


def styled(groups: Sequence[Group], order: str) -> list[str]:
    """The settings' names in the order in which the report gives out colours and line styles."""
    return [group.name for group in best_first(groups, order) if group.completed]


def first_word(groups: Sequence[Group], metric: str) -> str:
    """What the first of `best_first` are: `best`, `greatest` where nothing says whether more is better, and of losses
    of different kinds the `least`.
    """
    if kinds(groups, metric):
        return "least"
    return "greatest" if rises(groups, metric) is None else "best"


def means_figure(groups: Sequence[Group], metric: str) -> Drawing | None:
    """Each setting's mean with its interval, and every repetition's value; None where no setting has the metric."""
    ranked = [group for group in best_first(groups, metric) if group.by_repetition(metric)]
    shown = ranked[:MOST_ROWS]
    if not shown:
        return None
    names = labels([group.name for group in shown])

    def paint(axes: Axes) -> None:
        for place, group in enumerate(shown):
            values = [value * scale(metric) for value in group.by_repetition(metric).values()]
            estimate = group.estimate(metric)
            axes.plot(values, [place] * len(values), "|", color=QUIET, markersize=9)
            half = None if estimate.half_width is None else [estimate.half_width * scale(metric)]
            mean = (estimate.mean or 0.0) * scale(metric)
            axes.errorbar([mean], [place], xerr=half, fmt="o", color=INK, markersize=4, capsize=3)
        axes.set_yticks(range(len(shown)), names)
        axes.set_ylim(len(shown) - 0.5, -0.5)
        means = [group.estimate(metric).mean or 0.0 for group in shown]
        (log_axis if wide(means) else few_numbers)(axes.xaxis)
        if scale(metric) == 100:
            only_possible(axes.xaxis)
        axes.set_xlabel(f"{metric}{unit(metric)}")

    picked = f" The {first_word(groups, metric)} {len(shown)} of {len(ranked)} settings."
    left_out = picked if len(ranked) > len(shown) else ""
    one = repeated_by(shown)
    counts = _counts(dict(zip(names, (len(group.by_repetition(metric)) for group in shown), strict=True)), one)
    caption = f"Dot and bar: mean and 95 % interval (Student's t); strokes: single {one}s. {counts}.{left_out}"
    size = (5.6, 1.2 + 0.28 * len(shown))
    return draw(f"means-{_file(metric)}", f"{metric} of each setting", caption, paint, size)


def curve_figures(groups: Sequence[Group], metric: str, order: str) -> Iterator[Drawing]:
    """A metric's mean curves against epochs, steps and seconds, each setting's in its own style whatever the metric.

    Args:
        groups: the settings.
        metric: a column of metrics.csv.
        order: the metric by which the best are picked where there are too many.
    """
    ranked = [
        group for group in best_first(groups, order) if any(len(run.curve(metric, "step")) for run in group.completed)
    ]
    shown = ranked[:MOST_CURVES]
    names = labels([group.name for group in shown])
    by_name = styles_of(styled(groups, order))
    looks = {label: by_name[group.name] for label, group in zip(names, shown, strict=True)}
    for axis, name in _AXES.items():
        found = {label: mean_curve(group.completed, metric, axis) for label, group in zip(names, shown, strict=True)}
        curves = {label: curve for label, curve in found.items() if curve is not None}
        absent = [label for label in names if label not in curves]
        if not curves:
            continue

        def paint(axes: Axes, curves: dict[str, Curve] = curves, name: str = name) -> None:
            with legend_beside(axes):
                for label, curve in curves.items():
                    _draw_curve(axes, label, curve, looks[label], scale(metric))
            (few_numbers if name == _AXES["seconds"] else whole_numbers)(axes.xaxis)
            if wide(value for curve in curves.values() for value in curve.mean):
                log_axis(axes.yaxis)
            if scale(metric) == 100:
                only_possible(axes.yaxis)
            axes.set_xlabel(name)
            axes.set_ylabel(f"{metric}{unit(metric)}")

        picked = f" The {first_word(groups, order)} {len(shown)} of {len(ranked)} settings by {order}."
        some = picked if len(ranked) > len(shown) else ""
        band = "Mean over the completed runs; band: 95 % interval (Student's t), over the part that all reach."
        counts = _counts({label: curve.n for label, curve in curves.items()}, repeated_by(shown))
        caption = f"{band} {counts}.{some}"
        caption += f" Without {', '.join(absent)}, whose runs have no part in common." if absent else ""
        yield draw(f"{_file(metric)}-by-{axis}", f"{metric} against {name}", caption, paint, (5.8, 3.4))


def _draw_curve(axes: Axes, label: str, curve: Curve, look: tuple[str, str], factor: float) -> None:
    colour, line = look
    marker, mean = "o" if len(curve.x) < 3 else None, curve.mean * factor
    axes.plot(curve.x, mean, line, color=colour, marker=marker, markersize=3, label=label)
    if curve.half_width is not None:
        half = curve.half_width * factor
        axes.fill_between(curve.x, mean - half, mean + half, color=colour, alpha=0.15, linewidth=0)


def _counts(counts: Mapping[str, int], one: str) -> str:
    """`n = 5 seeds each`, or each setting's own; a single setting by its name, for it has no legend."""
    if len(set(counts.values())) == 1:
        name, count = next(iter(counts.items()))
        return f"n = {many(count, one)} each" if len(counts) > 1 else f"{name}: n = {many(count, one)}"
    return f"n {one}s: " + ", ".join(f"{name} {count}" for name, count in counts.items())


def _file(metric: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in metric)
