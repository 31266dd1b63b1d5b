"""Learning curves of a setting: the mean over its runs with a 95 % band."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightsweep.reporting.repetitions import by_repetition, overlap
from lightsweep.reporting.runs import Run
from lightsweep.statistics import t_quantile


@dataclass(frozen=True)
class Curve:
    """A mean curve.

    Args:
        n: how many repetitions it is the mean of.
        x: places, rising, of shape [points].
        mean: of shape [points].
        half_width: half the 95 % interval of the mean (Student's t), of shape [points]; None with one run.
    """

    n: int
    x: NDArray[np.float64]
    mean: NDArray[np.float64]
    half_width: NDArray[np.float64] | None


def mean_curve(runs: Sequence[Run], metric: str, axis: str) -> Curve | None:
    """The mean over runs at every place where any of them has a value and all have begun and none has ended.

    Between its own places a run is interpolated linearly, which at common places, as epochs and steps are, changes
    nothing. A repetition that was run several times counts once, with the mean of its runs.

    Returns:
        None where no run has the metric, or the runs have no place in common.
    """
    found = [(run, curve) for run in runs if len(curve := run.curve(metric, axis))]
    if not found:
        return None
    curves = [curve for _, curve in found]
    first, last = max(curve[0, 0] for curve in curves), min(curve[-1, 0] for curve in curves)
    places = np.unique(np.concatenate([curve[:, 0] for curve in curves]))
    x = places[(places >= first) & (places <= last)]
    if not len(x):
        return None
    repeated = by_repetition((run, np.interp(x, curve[:, 0], curve[:, 1])) for run, curve in found)
    values = np.stack([np.mean(repeats, axis=0) for repeats in repeated.values()])
    n = len(values)
    error = np.sqrt(1 / n + overlap(repeated))
    spread = None if n == 1 else t_quantile(n - 1) * values.std(axis=0, ddof=1) * error
    return Curve(n, x, values.mean(axis=0), spread)
