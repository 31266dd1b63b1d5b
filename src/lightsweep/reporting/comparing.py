"""What the numbers say: the metrics there are, differences between settings that share seeds, and time to a target."""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lightsweep.reporting.grouping import Group, rises
from lightsweep.reporting.losses import NOT_ALIKE, alike, is_loss
from lightsweep.reporting.runs import Run
from lightsweep.statistics import Estimate, holm

_ORDER = ("test/acc", "test/loss", "val/acc", "val/loss", "train/acc", "train/loss")


def metrics_of(runs: Sequence[Run]) -> list[str]:
    """The metrics of some runs: test, validation, training, others, then the seconds."""
    names = {name for run in runs for name in run.metrics if "/" in name}
    known = [name for name in _ORDER if name in names]
    return [*known, *sorted(names - set(known)), *(["seconds"] if any("seconds" in r.metrics for r in runs) else [])]


@dataclass(frozen=True)
class Difference:
    """One setting's metric less another's, over the seeds that both have.

    Args:
        metric: its name.
        first: the name of the one setting.
        second: the name of the other.
        estimate: of the mean of first − second over the shared seeds, with its own 95 % interval.
        adjusted: p value after Holm's correction over all pairs of this metric; None where all seeds differ alike.
        note: why neither can be better, as `losses of different kinds`, which have no p; empty where one can.
    """

    metric: str
    first: str
    second: str
    estimate: Estimate
    adjusted: float | None
    note: str = ""


def differences(groups: Sequence[Group], metric: str) -> list[Difference]:
    """The paired differences of all pairs of settings that share two seeds or more, in the order of the settings."""
    by_seed, named = {group.name: group.by_seed(metric) for group in groups}, {group.name: group for group in groups}
    known = {name: {seed for seed in values if seed >= 0} for name, values in by_seed.items()}  # below 0: not known
    pairs, estimates = [], []
    for first, second in itertools.combinations((name for name, seeds in known.items() if len(seeds) > 1), 2):
        shared, one, other = sorted(known[first] & known[second]), by_seed[first], by_seed[second]
        if len(shared) > 1:
            sizes = [max(abs(one[seed]), abs(other[seed])) for seed in shared]
            found = Estimate.of([one[seed] - other[seed] for seed in shared], sizes)
            comparable = not is_loss(metric) or alike(named[first], named[second])
            pairs.append((first, second, "" if comparable else NOT_ALIKE))
            estimates.append(found if comparable else replace(found, p=None))
    tested = [index for index, estimate in enumerate(estimates) if estimate.p is not None]
    adjusted = dict(zip(tested, holm([estimates[index].p or 0.0 for index in tested]), strict=True))
    return [
        Difference(metric, first, second, estimate, adjusted.get(index), note)
        for index, ((first, second, note), estimate) in enumerate(zip(pairs, estimates, strict=True))
    ]


@dataclass(frozen=True)
class Target:
    """When a setting first reaches a value; a seed that was run several times counts once.

    Args:
        group: the setting's name.
        reached: on how many seeds any of its completed runs does.
        seeds: on how many seeds a completed run has the metric; a run of unknown seed is one of its own.
        steps, seconds: over the seeds that do, each with the mean of its runs that do.
    """

    group: str
    reached: int
    seeds: int
    steps: Estimate
    seconds: Estimate


def default_target(groups: Sequence[Group], metric: str) -> float | None:
    """The median over all settings' seeds of their best value, of two middle ones the easier, which more seeds reach.

    A seed that was run several times counts once, with the mean of its runs' best. None where no run has the metric.
    """
    best = [value for group in groups for value in group.means(lambda run: _best(run, metric)).values()]
    if not best:
        return None
    return (statistics.median_high if rises(groups, metric) is False else statistics.median_low)(best)


def targets(groups: Sequence[Group], metric: str, value: float) -> list[Target]:
    """For each setting, steps and seconds at which a metric first is at least `value`; at most where less is better."""
    found = []
    for group in groups:
        seeds = group.means(lambda run: _best(run, metric))
        steps = list(group.means(lambda run: _first(run, metric, value, "step")).values())
        seconds = list(group.means(lambda run: _first(run, metric, value, "seconds")).values())
        found.append(Target(group.name, len(steps), len(seeds), Estimate.of(steps), Estimate.of(seconds)))
    return found


def _best(run: Run, metric: str) -> float | None:
    values = [value for _, value in run.curve(metric, "step")]
    return (min if run.rises(metric) is False else max)(values, default=None)


def _first(run: Run, metric: str, value: float, axis: str) -> float | None:
    for x, y in run.curve(metric, axis):
        if y <= value if run.rises(metric) is False else y >= value:
            return x
    return None
