"""How numbers are written: accuracies in per cent, and as many digits as the interval bears out."""

import math
from decimal import Decimal

from lightsweep.statistics import Estimate


def scale(metric: str) -> float:
    """What a metric is multiplied by to be shown."""
    return 100.0 if metric.endswith("acc") else 1.0


def unit(metric: str) -> str:
    """A metric's unit, with a space before it; empty for a number without one."""
    return " (%)" if metric.endswith("acc") else ""


def number(value: float | None, metric: str = "") -> str:
    """One value: accuracies in per cent with two decimals, others with four significant digits."""
    if value is None:
        return "–"
    return f"{100 * value:.2f}" if metric.endswith("acc") else _significant(value)


def interval(estimate: Estimate, metric: str = "", signed: bool = False) -> str:
    """`92.31 ± 0.12`: the half-width with two significant digits, the mean with as many decimals; or the mean alone.

    Very small and very large ones share a power of ten: `(1.010 ± 0.025)e-10`.
    """
    if estimate.mean is None:
        return "–"
    factor, sign = scale(metric), "+" if signed else ""
    if estimate.half_width is None:
        return f"{factor * estimate.mean:{sign}.2f}" if metric.endswith("acc") else _significant(estimate.mean, sign)
    mean, half = factor * estimate.mean, factor * estimate.half_width
    size = max(abs(mean), half)
    decimals = max(0, 1 - _exponent(half))
    if 1e-4 <= size < 1e6 and decimals <= 8:
        return f"{mean:{sign}.{decimals}f} ± {half:.{decimals}f}"
    power = _exponent(size)
    decimals = 1 + power - _exponent(half)
    shown, spread = (Decimal(value).scaleb(-power) for value in (mean, half))  # exact: 10.0**-324 would be 0
    return f"({shown:{sign}.{decimals}f} ± {spread:.{decimals}f})e{power:+03d}"


def probability(p: float | None) -> str:
    """A p value with two significant digits."""
    if p is None:
        return "–"
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def _exponent(value: float) -> int:
    return math.floor(math.log10(value))


def _significant(value: float, sign: str = "") -> str:
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:{sign}.3e}"
    return f"{value:{sign}.4g}" if abs(value) < 1000 else f"{value:{sign},.0f}"
