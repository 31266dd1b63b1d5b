"""One searched setting: its key in the configuration, its distribution in the study, its values as overrides."""

import math
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from lightsweep.config.override_text import override_text
from lightsweep.errors import ConfigError


@dataclass(frozen=True)
class Parameter:
    """A setting that a sweep searches.

    Args:
        key: the override's key as written, prefix and package included: `optimizer.lr`, `+extra.depth`, `db@src`.
        distribution: Optuna's distribution; every bound in it is a value that can be drawn.
        condition: the branch it belongs to (`optimizer=sgd`) when other branches have the same key, else "".
        texts: for choices, the override text of each; lists and mappings are choices by their text.
    """

    key: str
    distribution: BaseDistribution
    condition: str = ""
    texts: dict[Any, str] = field(default_factory=dict, compare=False)

    @property
    def name(self) -> str:
        """The parameter's name in the study: one name has one distribution."""
        return f"{self.key}[{self.condition}]" if self.condition else self.key

    def text(self, value: Any) -> str:
        """`value` as it stands after `key=` in an override."""
        if isinstance(self.distribution, CategoricalDistribution):
            return self.texts.get(value, override_text(value))
        return override_text(self.tidy(value))

    def tidy(self, value: Any) -> Any:
        """`value` on its grid without the rounding of binary fractions: 0.3 and not 0.30000000000000004."""
        if isinstance(self.distribution, FloatDistribution) and self.distribution.step is not None:
            low, step = Decimal(str(self.distribution.low)), Decimal(str(self.distribution.step))
            return float(low + round((value - float(low)) / float(step)) * step)
        return value

    def first(self) -> Any:
        """A value that can be drawn: the first choice or the lowest number."""
        distribution = self.distribution
        if isinstance(distribution, CategoricalDistribution):
            return distribution.choices[0]
        assert isinstance(distribution, FloatDistribution | IntDistribution)
        return distribution.low

    def grid(self) -> list[Any]:
        """Every value that can be drawn.

        Raises:
            ConfigError: it is an interval of real numbers, which has no end of values.
        """
        distribution = self.distribution
        if isinstance(distribution, CategoricalDistribution):
            return list(distribution.choices)
        if isinstance(distribution, IntDistribution):
            return list(range(distribution.low, distribution.high + 1, distribution.step))
        assert isinstance(distribution, FloatDistribution)
        if distribution.step is None:
            raise ConfigError(
                f"`{self.key}` is an interval, which this sampler cannot count out; "
                "use choice(…) or range(start, stop, step)"
            )
        low, step = Decimal(str(distribution.low)), Decimal(str(distribution.step))
        count = int((Decimal(str(distribution.high)) - low) / step) + 1
        return [float(low + index * step) for index in range(count)]


def categorical(key: str, values: list[Any], texts: list[str]) -> Parameter:
    """A choice among values; lists and mappings go by their text.

    Raises:
        ConfigError: there are none, or one stands twice.
    """
    if not values:
        raise ConfigError(f"`{key}` has an empty choice; name at least one value")
    choices = [
        value if value is None or isinstance(value, str | int | float | bool) else text
        for value, text in zip(values, texts, strict=True)
    ]
    # true and 1 are one value to Optuna
    if twice := [choice for choice, count in Counter(choices).items() if count > 1]:
        raise ConfigError(f"`{key}` has the choice {twice[0]!r} twice")
    return Parameter(key, CategoricalDistribution(choices), texts=dict(zip(choices, texts, strict=True)))


def number(
    key: str, low: float, high: float, *, integer: bool, log: bool = False, step: float | None = None
) -> Parameter:
    """A number between `low` and `high`, both of which can be drawn.

    Raises:
        ConfigError: a bound or the step is no finite number, or of whole numbers none, low above high, log with
            low <= 0, or log with a step; whole numbers may name their step of 1.
    """
    bounds = (low, high, 1 if step is None else step)
    check_finite(key, *bounds)
    if integer and (fractions := [value for value in bounds if value != int(value)]):
        raise ConfigError(
            f"`{key}` must have whole numbers as its bounds and step, being an int, but has {fractions[0]:g}"
        )
    if low > high:
        raise ConfigError(f"`{key}` has low {low:g} above high {high:g}; write the smaller bound first")
    if log and low <= 0:
        raise ConfigError(f"`{key}` is searched on a log scale, so its low must be above 0 but is {low:g}")
    if log and step is not None and not (integer and step == 1):
        raise ConfigError(f"`{key}` has a step of {step:g} and a log scale; it can have only one, so use an interval")
    if step is not None and step <= 0:
        raise ConfigError(f"`{key}` must have a step above 0 but has {step:g}")
    if integer:
        return Parameter(key, IntDistribution(int(low), int(high), log=log, step=1 if step is None else int(step)))
    return Parameter(key, FloatDistribution(float(low), float(high), log=log, step=step))


def check_finite(key: str, *values: Any) -> None:
    """Refuse what cannot bound a space or be its step.

    Raises:
        ConfigError: a value is NaN, infinite or no number.
    """
    for value in values:
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise ConfigError(f"`{key}` must have finite numbers as its bounds and step but has {value}")
