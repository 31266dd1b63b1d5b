"""A mean of few values, with its 95 % interval."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_T_975 = (
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788, 2.1604, 2.1448,
    2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484,
    2.0452, 2.0423,
)  # fmt: skip


@dataclass(frozen=True)
class Estimate:
    """A mean and how far it may be off.

    Args:
        n: how many values there are.
        mean: their mean; None where there are none.
        half_width: half the 95 % interval of the mean; None with fewer than two values.
    """

    n: int
    mean: float | None
    half_width: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Estimate":
        """The mean of independent values, with Student's t interval; the values themselves should be near normal."""
        if not values:
            return cls(0, None, None)
        mean = statistics.fmean(values)
        if len(values) == 1:
            return cls(1, mean, None)
        return cls(len(values), mean, t_quantile(len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values)))

    def __str__(self) -> str:
        if self.mean is None:
            return "no value"
        spread = "" if self.half_width is None else f" ± {self.half_width:.2g}"
        return f"{self.mean:.6g}{spread} (n {self.n})"


def t_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t, from a table up to 30 degrees of freedom and by a series above.

    The series is Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5, cut after its second term; it is
    off by less than 1e-4 there.

    Args:
        freedom: degrees of freedom, at least 1.
    """
    if freedom <= len(_T_975):
        return _T_975[freedom - 1]
    z = statistics.NormalDist().inv_cdf(0.975)
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
