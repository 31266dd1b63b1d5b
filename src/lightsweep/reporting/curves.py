"""Learning curves of a setting: the mean over its runs with a 95 % band."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightsweep.reporting.runs import Run
from lightsweep.statistics import t_quantile


@dataclass(frozen=True)
class Curve:
    """A mean curve.

    Args:
        n: how many runs it is the mean of.
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
    nothing.

    Returns:
        None where no run has the metric, or the runs have no place in common.
    """
    curves = [np.array(points) for run in runs if (points := run.curve(metric, axis))]
    if not curves:
        return None
    first, last = max(curve[0, 0] for curve in curves), min(curve[-1, 0] for curve in curves)
    places = np.unique(np.concatenate([curve[:, 0] for curve in curves]))
    x = places[(places >= first) & (places <= last)]
    if not len(x):
        return None
    values = np.stack([np.interp(x, curve[:, 0], curve[:, 1]) for curve in curves])
    n = len(curves)
    spread = None if n == 1 else t_quantile(n - 1) * values.std(axis=0, ddof=1) / np.sqrt(n)
    return Curve(n, x, values.mean(axis=0), spread)
