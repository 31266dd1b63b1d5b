"""Means of few values: 95 % intervals and tests by Student's t, and Holm's correction for many tests.

Student's t has an exact finite series for whole degrees of freedom, so nothing here needs scipy.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_ROUNDING = 5e-7
"""How far off a value may be, as a share of its size: many are float32 or differences of such, and 0.8 − 0.7 is not
0.6 − 0.5."""

_SMALL = 1e-5
"""Below it a probability is not what is left of 1, which has 16 digits only."""

_LARGEST = 1e150
"""What is larger has no square among the numbers."""


def is_finite(value: float) -> bool:
    """Whether a number is neither NaN nor so large, infinite or not, that it has no variance and cannot be drawn."""
    return abs(value) < _LARGEST


@dataclass(frozen=True)
class Estimate:
    """A mean and how far it may be off.

    Args:
        n: how many values there are.
        mean: their mean; None where there are none.
        half_width: half the 95 % interval of the mean; None with fewer than two values, or without spread: equal
            values do not tell how far others may lie.
        p: two-sided p value of the mean being 0, by Student's t; None where there is no interval.
    """

    n: int
    mean: float | None
    half_width: float | None
    p: float | None = None

    @classmethod
    def of(cls, values: Sequence[float], sizes: Sequence[float] | None = None, overlap: float = 0.0) -> "Estimate":
        """The mean of some values, with Student's t interval; the values themselves should be near normal.

        Args:
            values: all of them `is_finite`.
            sizes: where the values are differences, how large the numbers were that each was taken of, at least 0: what
                is less than their rounding is 0, and differs from nothing. None: the values' own sizes.
            overlap: 0 for independent values; of folds, how many examples each validates on for one that it trains on:
                the mean's variance is larger by so many times the values' own.
        """
        if not values:
            return cls(0, None, None)
        mean = statistics.fmean(values)
        slack = [_ROUNDING * size for size in (map(abs, values) if sizes is None else sizes)]
        low = max(value - off for value, off in zip(values, slack, strict=True))
        high = min(value + off for value, off in zip(values, slack, strict=True))
        if len(values) == 1 or low <= high:  # all may be one number, which lies between
            return cls(len(values), 0.0 if low <= 0 <= high else mean, None)
        freedom = len(values) - 1
        # `statistics.stdev` counts in fractions, which takes a hundred times longer
        deviation = math.hypot(*(value - mean for value in values)) / math.sqrt(freedom)
        error = deviation * math.sqrt(1 / len(values) + overlap)
        return cls(len(values), mean, t_quantile(freedom) * error, t_beyond(abs(mean) / error, freedom))

    def __str__(self) -> str:
        if self.mean is None:
            return "no value"
        spread = "" if self.half_width is None else f" ± {self.half_width:.2g}"
        return f"{self.mean:.6g}{spread} (n {self.n})"


def t_within(t: float, freedom: int) -> float:
    """The probability that Student's t lies within ±t.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.

    Args:
        t: at least 0.
        freedom: degrees of freedom, at least 1.
    """
    angle = math.atan2(t, math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = total = cosine if odd else 1.0
    if freedom == 1:
        total = 0.0
    for k in range(2 + odd, freedom - 1, 2):
        term *= (k - 1) / k * cosine**2
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def t_beyond(t: float, freedom: int) -> float:
    """The probability that Student's t lies beyond ±t; where it is small, 1 less that of lying within is rounded away.

    Then it is the incomplete beta function's series, whose terms are all positive: Abramowitz and Stegun, 26.7.1, and
    NIST Digital Library of Mathematical Functions, 8.17.7.

    Args:
        t: at least 0.
        freedom: degrees of freedom, at least 1.
    """
    beyond, x, half = 1 - t_within(t, freedom), freedom / (freedom + t * t), freedom / 2
    if beyond > _SMALL or not x:
        return max(0.0, beyond)
    factor, total, n = 1.0, 0.0, 0
    while (term := factor / (half + n)) > 1e-17 * total:
        total += term
        factor *= x * (n + 0.5) / (n + 1)
        n += 1
    log_beta = math.lgamma(half) + math.lgamma(0.5) - math.lgamma(half + 0.5)
    return math.exp(half * math.log(x) - log_beta) * total


@lru_cache(maxsize=1024)
def t_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t, found by bisection.

    Args:
        freedom: degrees of freedom, at least 1; above 10,000 those of 10,000, which are at most 0.0003 too large.
    """
    freedom = min(freedom, 10_000)
    low, high = 1.9, 12.8  # of any freedom: from 1.96 to 12.706
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if t_within(middle, freedom) < 0.95 else (low, middle)
    return (low + high) / 2


def holm(values: Sequence[float], size: int | None = None) -> list[float]:
    """Adjusted p values of a family of tests: the chance of even one false finding is held at each (Holm 1979).

    Args:
        values: the p values.
        size: how many tests the family has; None for these alone. Of a part of it none is adjusted by less than in all.
    """
    order, size = sorted(range(len(values)), key=values.__getitem__), len(values) if size is None else size
    adjusted, greatest = [0.0] * len(values), 0.0
    for place, index in enumerate(order):
        greatest = max(greatest, min(1.0, (size - place) * values[index]))
        adjusted[index] = greatest
    return adjusted
