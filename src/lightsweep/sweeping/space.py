"""What a sweep searches: parameters, fixed settings, and branches that hold only under a condition.

    params:
      optimizer: choice(sgd, adam)
      when:
        optimizer=sgd:
          optimizer.lr: tag(log, interval(1e-3, 1))
          optimizer.momentum: interval(0, 0.99)
        optimizer=adam:
          optimizer.lr: tag(log, interval(1e-5, 1e-1))

What is drawn is the sampler's affair; which overrides it becomes is settled here.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override
from optuna.distributions import distribution_to_json
from optuna.trial import Trial

from lightsweep.errors import ConfigError
from lightsweep.sweeping.conditions import check_conditions, refuse_overlaps
from lightsweep.sweeping.grammar import bare, parameter_from_mapping, parameter_of, parse, same_value
from lightsweep.sweeping.parameter import Parameter

WHEN = "when"
Lookup = Callable[[str], str | None]
Direction = Literal["minimize", "maximize"]


@dataclass(frozen=True)
class Space:
    """Parameters, settings that are the same in every trial, and conditional branches.

    Args:
        parameters: what is drawn.
        fixed: override lines by their bare key, in the order given.
        branches: further spaces, each under a condition.
    """

    parameters: tuple[Parameter, ...] = ()
    fixed: tuple[tuple[str, str], ...] = ()
    branches: tuple["Branch", ...] = ()

    def suggest(self, trial: Trial, lookup: Lookup, seen: dict[str, str] | None = None) -> list[str]:
        """Draw one setting of each parameter that applies, parents first.

        Args:
            trial: the trial that draws.
            lookup: the configuration's value of a key that is neither drawn nor fixed, for conditions.

        Returns:
            Override lines: the fixed ones, then the drawn ones, then the fixed parts of drawn mappings and lists.
        """
        seen = {} if seen is None else seen
        parts = [line for key, line in self.fixed if self._draws_around(key)]
        lines = [line for _, line in self.fixed if line not in parts]
        seen.update({key: line.partition("=")[2] for key, line in self.fixed})
        for parameter in self.parameters:
            value = trial._suggest(parameter.name, parameter.distribution)
            text = parameter.text(value)
            seen[bare(parameter.key)] = text
            lines.append(f"{parameter.key}={text}")
        for branch in self.branches:
            if branch.holds(seen, lookup):
                lines += branch.space.suggest(trial, lookup, seen)
        return lines + parts

    def _draws_around(self, key: str) -> bool:
        """Whether a mapping or list is drawn that this bare key is a part of."""
        around = (each for each in self.every_parameter() if key.startswith(f"{bare(each.key)}."))
        return any(text.startswith(("{", "[")) for each in around for text in each.texts.values())

    def every_branch(self) -> Iterator["Branch"]:
        """All branches, those within others too, each before its own."""
        for branch in self.branches:
            yield branch
            yield from branch.space.every_branch()

    def every_parameter(self) -> Iterator[Parameter]:
        """All parameters, those of the branches too."""
        yield from self.parameters
        yield from (parameter for branch in self.every_branch() for parameter in branch.space.parameters)

    def every_fixed(self) -> Iterator[tuple[str, str]]:
        """All fixed settings, those of the branches too."""
        yield from self.fixed
        yield from (setting for branch in self.every_branch() for setting in branch.space.fixed)

    def signature(self) -> dict[str, str]:
        """Name and distribution of each parameter, by which a study is known to be of this space."""
        return {parameter.name: distribution_to_json(parameter.distribution) for parameter in self.every_parameter()}

    def settings(self) -> dict[str, str]:
        """The value of each fixed setting by its bare key, with the conditions that it stands under."""
        found = {key: line if line.startswith("~") else line.partition("=")[2] for key, line in self.fixed}
        for branch in self.branches:
            found |= {f"{key}[{branch.condition}]": value for key, value in branch.space.settings().items()}
        return found

    def without(self, keys: set[str]) -> "Space":
        """The space without the settings of these bare keys, wherever they stand."""
        return Space(
            tuple(parameter for parameter in self.parameters if bare(parameter.key) not in keys),
            tuple((key, line) for key, line in self.fixed if key not in keys),
            tuple(replace(branch, space=branch.space.without(keys)) for branch in self.branches),
        )


@dataclass(frozen=True)
class Branch:
    """A space that holds when a setting has one of some values.

    Args:
        condition: as written, `optimizer=sgd,nesterov`.
        key: the setting's bare key.
        values: the values, as override text.
        space: what is then searched.
    """

    condition: str
    key: str
    values: tuple[str, ...]
    space: Space

    def holds(self, seen: Mapping[str, str], lookup: Lookup) -> bool:
        """Whether the condition is met by what was drawn or fixed, or else by the configuration."""
        text = seen.get(self.key)
        text = lookup(self.key) if text is None else text
        return text is not None and any(same_value(text, value) for value in self.values)


def build_space(
    params: Mapping[str, Any] | None,
    search_space: Mapping[str, Any] | None,
    arguments: list[str],
    config_loader: ConfigLoader | None = None,
) -> Space:
    """The space of a sweep: that of the configuration, with the command line over it.

    Args:
        params: `hydra.sweeper.params`: key to override text, and `when`.
        search_space: the official sweeper's deprecated notation, read when there are no `params`.
        arguments: the command line's task overrides, fixed and swept.
        config_loader: for `glob` over a config group.

    Raises:
        ConfigError: a line cannot be read, or describes an empty or contradictory space; or see `check_conditions`
            and `refuse_overlaps`.
    """
    if params:
        written = _from_mapping(params, config_loader)
    else:
        parameters = [parameter_from_mapping(str(key), value) for key, value in (search_space or {}).items()]
        written = Space(tuple(parameters))
    line_space = _from_overrides(parse(arguments, config_loader))
    over = {bare(parameter.key) for parameter in line_space.parameters} | {key for key, _ in line_space.fixed}
    written = written.without(over)
    check_conditions(written)
    refuse_overlaps(written, {})
    fixed = written.fixed + line_space.fixed  # a later one wins: `optimizer.lr=…` over the file's `optimizer={lr: …}`
    whole = Space(written.parameters + line_space.parameters, fixed, written.branches)
    return _with_conditions_in_names(whole)


def _from_mapping(params: Mapping[str, Any], config_loader: ConfigLoader | None) -> Space:
    lines = []
    for key, value in params.items():
        if key == WHEN:
            continue
        if isinstance(value, list | Mapping):
            raise ConfigError(f"`params.{key}` must be text such as 'choice(1, 2)' or one value but is {value!r}")
        lines.append(f"{key}={'null' if value is None else value}")
    space = _from_overrides(parse(lines, config_loader))
    branches = params.get(WHEN) or {}
    if not isinstance(branches, Mapping):
        raise ConfigError("`params.when` must map conditions such as 'optimizer=sgd' to parameters")
    return replace(space, branches=tuple(_branch(str(key), value, config_loader) for key, value in branches.items()))


def _branch(condition: str, params: Any, config_loader: ConfigLoader | None) -> Branch:
    if "=" not in condition or not isinstance(params, Mapping):
        raise ConfigError(f"`params.when` must map 'key=value' to parameters but has {condition!r}: {params!r}")
    override = parse([condition], config_loader)[0]
    if override.is_sweep_override():
        values = tuple(override.sweep_string_iterator())
    else:
        values = (override.get_value_element_as_str(),)
    return Branch(condition, bare(override.get_key_element()), values, _from_mapping(params, config_loader))


def _from_overrides(overrides: list[Override]) -> Space:
    """The last override of a key is the one that holds."""
    settings: dict[str, Parameter | str] = {}
    for override in overrides:
        key = bare(override.get_key_element())
        settings.pop(key, None)
        line = override.input_line
        assert line is not None
        settings[key] = parameter_of(override) if override.is_sweep_override() else line
    return Space(
        tuple(setting for setting in settings.values() if isinstance(setting, Parameter)),
        tuple((key, setting) for key, setting in settings.items() if isinstance(setting, str)),
    )


def _with_conditions_in_names(space: Space) -> Space:
    """Tell apart parameters that stand in several places with different distributions, by their conditions.

    The learning rates of two optimizers are two parameters to a sampler, and must not teach each other.
    """
    places = Counter(parameter.key for parameter in space.every_parameter())
    shared = {key for key, count in places.items() if count > 1}
    if not shared:
        return space
    if double := shared & {parameter.key for parameter in space.parameters}:
        raise ConfigError(f"`{sorted(double)[0]}` is searched both under a condition and without one")

    def renamed(branch: Branch, outer: str) -> Branch:
        condition = f"{outer}, {branch.condition}" if outer else branch.condition
        parameters = tuple(
            replace(parameter, condition=condition) if parameter.key in shared else parameter
            for parameter in branch.space.parameters
        )
        inner = tuple(renamed(deeper, condition) for deeper in branch.space.branches)
        return replace(branch, space=replace(branch.space, parameters=parameters, branches=inner))

    return replace(space, branches=tuple(renamed(branch, "") for branch in space.branches))


def grid_of(space: Space) -> dict[str, list[Any]]:
    """Every value of every parameter, for samplers that try them all.

    Raises:
        ConfigError: a parameter is an interval, or the space has branches.
    """
    if any(branch.space.parameters for branch in space.branches):
        raise ConfigError("the grid sampler has no conditions (`params.when`); use hydra/sweeper/sampler=brute_force")
    return {parameter.name: parameter.grid() for parameter in space.parameters}


def grid_size(space: Space) -> int:
    """The number of points of the grid."""
    return math.prod(map(len, grid_of(space).values()))
