"""Ranges of colours and axes in which trials can be told apart though one failed badly."""

from collections.abc import Sequence

import numpy as np

from lightsweep.statistics import is_finite

INNER, OUTER = 1.5, 3.0
"""Tukey's fences, in quartile distances beyond the quartile: what lies outside, and what lies far out."""
STRETCHED = 5
"""An axis leaves out what would make it so many times as long as the rest needs."""


def colour_range(values: Sequence[float], rises: bool, fence: float = INNER) -> tuple[float, float]:
    """From the best value to Tukey's fence on the worse side, or the worst value inside it.

    On the better side there is no fence: where most trials failed, what lies far out are the best.

    Args:
        values: those that are not finite do not count.
        rises: whether the greatest is the best.
        fence: how far it stands from the quartile.

    Returns:
        The least and the greatest value to tell apart; 0 and 1 where no value is finite.
    """
    sign = -1 if rises else 1
    losses = sign * np.array([value for value in values if is_finite(value)])
    if not len(losses):
        return 0.0, 1.0
    first, third = np.quantile(losses, [0.25, 0.75], method="lower")
    ends = sign * losses.min(), sign * min(losses.max(), third + fence * (third - first))
    return float(min(ends)), float(max(ends))


def axis_range(values: Sequence[float], rises: bool) -> tuple[float, float]:
    """The range of all finite values; without those far out on the worse side, where they stretch the axis too far."""
    finite = [value for value in values if is_finite(value)] or [0.0, 1.0]
    low, high = colour_range(finite, rises, OUTER)
    inside = [value for value in finite if low <= value <= high]
    needed, whole = max(inside) - min(inside), max(finite) - min(finite)
    shown = inside if 0 < STRETCHED * needed < whole else finite
    return min(shown), max(shown)


def outside(values: Sequence[float], ends: tuple[float, float]) -> int:
    """How many values a range leaves out."""
    return sum(not ends[0] <= value <= ends[1] for value in values)


def widened(ends: tuple[float, float], factor: float = 1.0) -> tuple[float, float]:
    """A range times a factor, with a margin at both ends."""
    low, high = factor * ends[0], factor * ends[1]
    margin = 0.05 * (high - low) or 1e-3
    return low - margin, high + margin
