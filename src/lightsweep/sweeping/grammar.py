"""From Hydra's override grammar, and from the official sweeper's two notations, to parameters.

A `range` ends before its stop for every sampler, as Hydra documents it and as Python's does.
"""

import math
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    QuotedString,
    RangeSweep,
    Sweep,
    Transformer,
)
from hydra.errors import HydraException

from lightsweep.config.override_text import override_text
from lightsweep.errors import ConfigError, one_line
from lightsweep.sweeping.parameter import Parameter, categorical, check_finite, number

_KNOWN_TAGS = {"log"}


def parse(lines: list[str], config_loader: ConfigLoader | None) -> list[Override]:
    """Overrides from their text.

    Raises:
        ConfigError: a line is not in Hydra's grammar, or sweeps Hydra's own configuration.
    """
    parser = OverridesParser.create(config_loader=config_loader)
    overrides = []
    for line in lines:
        try:
            override = parser.parse_overrides([line])[0]
        except HydraException as error:
            raise ConfigError(f"cannot read the override {line!r}: {one_line(error)}") from error
        if override.is_hydra_override() and override.is_sweep_override():
            raise ConfigError(f"{line!r} searches Hydra's own configuration, which has no meaning inside a trial")
        overrides.append(override)
    return overrides


def parameter_of(override: Override) -> Parameter:
    """The parameter that a sweep override describes: choice, range, interval, glob; with `tag(log, …)`.

    Raises:
        ConfigError: the space is empty, contradictory, or tagged with an unknown word.
    """
    key, value = override.get_key_element(), override._value
    if isinstance(value, Sweep) and (unknown := value.tags - _KNOWN_TAGS):
        raise ConfigError(f"`{key}` has the unknown tag {sorted(unknown)[0]!r}; known: log")
    if isinstance(value, RangeSweep):
        return _range(key, value)
    if isinstance(value, IntervalSweep):
        assert value.start is not None
        assert value.end is not None
        integer = isinstance(value.start, int) and isinstance(value.end, int)
        return number(key, value.start, value.end, integer=integer, log="log" in value.tags)
    if isinstance(value, ChoiceSweep):
        if "log" in value.tags:
            raise ConfigError(f"`{key}` is a choice, which has no log scale; use interval or range")
        # The written order is kept, shuffle or not: the study must know its choices again when it is resumed.
        items = value.list
        return categorical(
            key, [_plain(item) for item in items], [_text(item, Transformer.str(item)) for item in items]
        )
    names = sorted(str(name) for name in override.sweep_iterator())  # a glob over a config group
    return categorical(key, names, names)


def _range(key: str, sweep: RangeSweep) -> Parameter:
    """`range(start, stop, step)`: from start on, in steps, ending before stop; a descending one is the same set."""
    assert sweep.start is not None
    assert sweep.stop is not None
    check_finite(key, sweep.start, sweep.stop, sweep.step)
    start, stop, step = (Decimal(str(value)) for value in (sweep.start, sweep.stop, sweep.step))
    if step == 0:
        raise ConfigError(f"`{key}` has a range with step 0")
    count = math.ceil((stop - start) / step)
    if count <= 0:
        raise ConfigError(f"`{key}` has an empty range({start}, {stop}, {step}); the stop itself is not drawn")
    last = start + (count - 1) * step
    integer = all(isinstance(value, int) for value in (sweep.start, sweep.stop, sweep.step))
    low, high = min(start, last), max(start, last)
    return number(key, float(low), float(high), integer=integer, log="log" in sweep.tags, step=float(abs(step)))


def parameter_from_mapping(key: str, given: Any) -> Parameter:
    """A parameter in the official sweeper's deprecated `search_space` notation: type, choices, low, high, log, step.

    Raises:
        ConfigError: it is no mapping, the type is unknown, or the choices or a bound are missing.
    """
    if not isinstance(given, Mapping):
        raise ConfigError(f"`search_space.{key}` must be a mapping with a type but is {given!r}")
    kind = getattr(given.get("type"), "name", given.get("type"))
    if kind == "categorical":
        values = given.get("choices")
        if not isinstance(values, list):
            raise ConfigError(f"`search_space.{key}.choices` must be a list but is {values!r}")
        return categorical(key, values, [_text(value, Override._get_value_element_as_str(value)) for value in values])
    if kind not in ("int", "float"):
        raise ConfigError(f"`search_space.{key}.type` must be categorical, int or float but got {kind!r}")
    low, high = given.get("low"), given.get("high")
    if low is None or high is None:
        raise ConfigError(f"`search_space.{key}` of type {kind} needs low and high")
    return number(key, low, high, integer=kind == "int", log=bool(given.get("log")), step=given.get("step"))


def _plain(item: Any) -> Any:
    return item.text if isinstance(item, QuotedString) else item


def _text(item: Any, text: str) -> str:
    """A choice's text after `=`: Hydra's, or a quoted one, as Hydra drops the quotes of a string in `choice(…)`."""
    if not isinstance(item, str):
        return text
    try:
        return text if value_of(text) == item else override_text(item)
    except HydraException:
        return override_text(item)


@cache
def value_of(text: str) -> Any:
    """The value that an override gives its key when this text stands after `=`."""
    return OverridesParser.create().parse_overrides([f"key={text}"])[0].value()


def same_value(one: str, other: str) -> bool:
    """Whether two texts mean the same after `=`: `a` and `'a'`, `1` and `1.0`; not `1` and `'1'` or `true`."""
    if one == other:
        return True
    value, wanted = value_of(one), value_of(other)
    return bool(value == wanted) and isinstance(value, bool) == isinstance(wanted, bool)


def bare(key: str) -> str:
    """A key without the prefix that adds, forces or deletes: `++a.b` and `~a.b` are both about `a.b`."""
    return key.lstrip("+~")
