"""Do the conditions of `params.when` mean something? What can be seen in the space itself is told here."""

import itertools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from lightsweep.errors import ConfigError
from lightsweep.sweeping.grammar import bare, same_value, value_of
from lightsweep.sweeping.parameter import Parameter

if TYPE_CHECKING:
    from lightsweep.sweeping.space import Branch, Space


def check_conditions(space: "Space", outer: Iterable[Parameter] = ()) -> None:
    """Check that each branch of a space can hold, and theirs.

    Args:
        space: what a file searches, without what the command line puts in its place.
        outer: the parameters of the spaces around it.

    Raises:
        ConfigError: none of a condition's values can be drawn.
    """
    drawn = {bare(parameter.key): parameter for parameter in (*outer, *space.parameters)}
    for branch in space.branches:
        parameter = drawn.get(branch.key)
        if parameter is not None and not any(drawn_as(parameter, value) for value in branch.values):
            raise ConfigError(
                f"`params.when` has {branch.condition!r}, which never holds: {branch.key} is {_shown(parameter)}"
            )
        check_conditions(branch.space, drawn.values())


def refuse_overlaps(space: "Space", configured: Mapping[str, str | None], outer: Iterable[Parameter] = ()) -> None:
    """Check that no two conditions which can hold together set one key, in the branches of a space and in theirs.

    Args:
        space: what is searched.
        configured: what the configuration says of the keys that conditions ask for, as far as that is known.
        outer: the parameters of the spaces around it.

    Raises:
        ConfigError: two do.
    """
    drawn = {bare(parameter.key): parameter for parameter in (*outer, *space.parameters)}
    for one, other in itertools.combinations(space.branches, 2):
        if (both := _own_keys(one) & _own_keys(other)) and _hold_together(one, other, set(drawn), configured):
            raise ConfigError(
                f"`params.when` sets `{sorted(both)[0]}` under {one.condition!r} and under {other.condition!r}, "
                "which can hold together"
            )
    for branch in space.branches:
        refuse_overlaps(branch.space, configured, drawn.values())


def drawn_as(parameter: Parameter, text: str) -> tuple[Any] | None:
    """The value that a condition's text means, in a tuple, as it may be None itself; None where it is never drawn."""
    distribution = parameter.distribution
    if isinstance(distribution, CategoricalDistribution):
        return next(((each,) for each in distribution.choices if same_value(text, parameter.text(each))), None)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    value = value_of(text)
    if not isinstance(value, int | float) or not distribution.low <= value <= distribution.high:
        return None
    return (value,) if distribution._contains(float(value)) else None


def _shown(parameter: Parameter) -> str:
    distribution = parameter.distribution
    if isinstance(distribution, CategoricalDistribution):
        return " or ".join(parameter.text(choice) for choice in distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    steps = "" if distribution.step in (None, 1) else f" in steps of {distribution.step:g}"
    return f"from {distribution.low:g} to {distribution.high:g}{steps}"


def _own_keys(branch: "Branch") -> set[str]:
    return {bare(parameter.key) for parameter in branch.space.parameters} | {key for key, _ in branch.space.fixed}


def _hold_together(one: "Branch", other: "Branch", drawn: set[str], configured: Mapping[str, str | None]) -> bool:
    """Seen where both ask for one key, or each for one that is drawn independently or that the configuration says.

    The other is looked at when the first has set what it fixes; what it draws, only the trial knows.
    """
    if one.key == other.key:
        return any(same_value(value, text) for value in one.values for text in other.values)
    fixed = {key: line.partition("=")[2] for key, line in one.space.fixed}
    if other.key in _own_keys(one) and other.key not in fixed:
        return False
    first = one.key in drawn or one.holds({}, configured.get)
    return first and ((other.key in drawn and other.key not in fixed) or other.holds(fixed, configured.get))
