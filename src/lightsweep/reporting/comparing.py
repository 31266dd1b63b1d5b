"""What the numbers say: the metrics there are, differences of settings that share repetitions, and time to a target."""

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lightsweep.reporting.grouping import Group, estimate_of, rises
from lightsweep.reporting.losses import NOT_ALIKE, is_loss
from lightsweep.reporting.runs import Run
from lightsweep.statistics import Estimate, holm

OTHER_CLASSES = "other classes"
MOST_COMPARED = 300
"""Of more settings a report compares the best with each: the pairs of 500 take 27 s and 73 MB, of 2,000 some 10 GB."""
_ORDER = ("test/acc", "test/loss", "val/acc", "val/loss", "train/acc", "train/loss")


def metrics_of(runs: Sequence[Run]) -> list[str]:
    """The metrics of some runs: test, validation, training, others, then the seconds."""
    names = {name for run in runs for name in run.metrics if "/" in name}
    known = [name for name in _ORDER if name in names]
    return [*known, *sorted(names - set(known)), *(["seconds"] if any("seconds" in r.metrics for r in runs) else [])]


@dataclass(frozen=True)
class Difference:
    """One setting's metric less another's, over the repetitions that both have.

    Args:
        metric: its name.
        first: the name of the one setting.
        second: the name of the other.
        estimate: of the mean of first − second over the shared ones, with its own 95 % interval.
        adjusted: p value after Holm's correction over all pairs of this metric; None where all differ alike.
        note: why neither can be better: `losses of different kinds` or, of data with others to tell apart, `other
            classes`. Such pairs have no p. Empty where one can.
    """

    metric: str
    first: str
    second: str
    estimate: Estimate
    adjusted: float | None
    note: str = ""


def differences(groups: Sequence[Group], metric: str, every_pair: bool = True) -> list[Difference]:
    """The paired differences of all pairs of settings that share two repetitions, in the order of the settings.

    Args:
        groups: the settings.
        metric: its name.
        every_pair: False for the pairs with the first setting that has two repetitions alone, since all grow by the
            square; their p values are corrected as if all were compared.
    """
    named = {group.name: group for group in groups}
    values = {name: group.by_repetition(metric) for name, group in named.items()}
    known = {name: {each for each in own if each[0] >= 0} for name, own in values.items()}  # below 0: not known
    names = [name for name, own in known.items() if len(own) > 1]
    tried = itertools.combinations(names, 2) if every_pair else ((names[0], other) for other in names[1:])
    pairs, estimates = [], []
    for first, second in tried:
        shared, one, other = sorted(known[first] & known[second]), values[first], values[second]
        if len(shared) > 1:
            sizes = [max(abs(one[each]), abs(other[each])) for each in shared]
            found = estimate_of({each: one[each] - other[each] for each in shared}, sizes)
            note = _not_comparable(named[first], named[second], metric)
            pairs.append((first, second, note))
            estimates.append(replace(found, p=None) if note else found)
    tested = [index for index, estimate in enumerate(estimates) if estimate.p is not None]
    size = None if every_pair else math.comb(len(names), 2)
    adjusted = dict(zip(tested, holm([estimates[index].p or 0.0 for index in tested], size), strict=True))
    return [
        Difference(metric, first, second, estimate, adjusted.get(index), note)
        for index, ((first, second, note), estimate) in enumerate(zip(pairs, estimates, strict=True))
    ]


def _not_comparable(one: Group, other: Group, metric: str) -> str:
    """Why neither of two settings can be better by a metric; empty where one can, as by the seconds always."""
    if is_loss(metric) and one.loss != other.loss:
        return NOT_ALIKE
    measured = "/" in metric and one.classes and other.classes
    return OTHER_CLASSES if measured and one.classes != other.classes else ""


@dataclass(frozen=True)
class Target:
    """When a setting first reaches a value; a repetition that was run several times counts once.

    Args:
        group: the setting's name.
        reached: in how many repetitions any of its completed runs does.
        tried: in how many a completed run has the metric; a run of unknown seed is one of its own.
        steps, seconds: over those that do, each with the mean of its runs that do.
    """

    group: str
    reached: int
    tried: int
    steps: Estimate
    seconds: Estimate


def default_target(groups: Sequence[Group], metric: str) -> float | None:
    """The median over all settings' repetitions of their best value, of two middle ones the easier, which more reach.

    One that was run several times counts once, with the mean of its runs' best. None where no run has the metric.
    """
    best = [value for group in groups for value in group.means(lambda run: _best(run, metric)).values()]
    if not best:
        return None
    return (statistics.median_high if rises(groups, metric) is False else statistics.median_low)(best)


def targets(groups: Sequence[Group], metric: str, value: float) -> list[Target]:
    """For each setting, steps and seconds at which a metric first is at least `value`; at most where less is better."""
    found = []
    for group in groups:
        tried = group.means(lambda run: _best(run, metric))
        steps = group.means(lambda run: _first(run, metric, value, "step"))
        seconds = group.means(lambda run: _first(run, metric, value, "seconds"))
        found.append(Target(group.name, len(steps), len(tried), estimate_of(steps), estimate_of(seconds)))
    return found


def _best(run: Run, metric: str) -> float | None:
    values = run.curve(metric, "step")[:, 1]
    return float(values.min() if run.rises(metric) is False else values.max()) if len(values) else None


def _first(run: Run, metric: str, value: float, axis: str) -> float | None:
    curve = run.curve(metric, axis)
    reached = curve[:, 1] <= value if run.rises(metric) is False else curve[:, 1] >= value
    return float(curve[reached.argmax(), 0]) if reached.any() else None
