"""Does the configuration take what the sweep will set? Asked of Hydra before any trial, with the nearest key named."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FixedTrial

from lightsweep.config.explanation import explain
from lightsweep.config.nearest import nearest
from lightsweep.config.override_text import override_text
from lightsweep.errors import ConfigError, lines_of, one_line
from lightsweep.sweeping.conditions import drawn_as, refuse_overlaps
from lightsweep.sweeping.config_keys import is_group, keys_of, options_of
from lightsweep.sweeping.grammar import bare, value_of
from lightsweep.sweeping.parameter import Parameter
from lightsweep.sweeping.space import Branch, Space


def configured_values(space: Space, config: DictConfig, loader: ConfigLoader) -> dict[str, str | None]:
    """What the configuration itself says of the keys that conditions ask for: a group's choice or a value's text.

    Raises:
        ConfigError: there is no such key, it is a config group without an option that a condition asks for, or two
            conditions that can hold together set one key.
    """
    keys = {branch.key for branch in space.every_branch()}
    if not keys:
        return {}
    _check_groups(space, config, loader)
    composed = loader.load_sweep_config(
        config, [line for _, line in space.fixed] + group_choices(space, config, loader)
    )
    _check_keys(space, composed)
    values: dict[str, str | None] = {key: _configured(key, composed) for key in keys}
    refuse_overlaps(space, values)
    return values


def _configured(key: str, composed: DictConfig) -> str:
    choice = composed.hydra.runtime.choices.get(key)
    return override_text(OmegaConf.select(composed, key)) if choice is None else str(choice)


def _check_groups(space: Space, config: DictConfig, loader: ConfigLoader) -> None:
    """Refuse conditions on a config group for options that it does not have."""
    for branch in space.every_branch():
        options = options_of(branch.key, config, loader)
        if options and not {str(value_of(text)) for text in branch.values} & {*options, "None"}:
            raise ConfigError(
                f"`params.when` has {branch.condition!r}, which never holds: {branch.key} has no such option"
                f"{nearest(branch.values[0], options)}"
            )


def _check_keys(space: Space, composed: DictConfig) -> None:
    """Refuse conditions on keys that are neither set by the sweep nor known to the configuration."""
    known = {bare(parameter.key) for parameter in space.every_parameter()} | {key for key, _ in space.every_fixed()}
    known |= {*keys_of(composed), *map(str, composed.hydra.runtime.choices)}
    for branch in space.every_branch():
        if branch.key not in known and not branch.key.startswith("hydra."):
            raise ConfigError(
                f"`params.when` has {branch.condition!r}, but the configuration has no `{branch.key}`"
                f"{nearest(branch.key, known)}"
            )


def configured_seed(space: Space, composed: DictConfig, key: str) -> tuple[bool, int | None]:
    """Whether a trial's configuration has such a key, and its value: None where it is searched, or no whole number."""
    searched = any(bare(parameter.key) == key for parameter in space.every_parameter())
    value = OmegaConf.select(composed, key)
    return key in keys_of(composed), value if type(value) is int and not searched else None


def check_composition(
    space: Space,
    config: DictConfig,
    loader: ConfigLoader,
    conditions: Mapping[str, str | None],
    judge: Callable[[DictConfig], None] | None = None,
) -> DictConfig:
    """Compose one trial for each choice of each config group, and of each mapping that conditions ask within, and for
    each branch.

    Every other parameter has its first value, but for those that must have another for the branch to hold. What the
    judge takes at the first value it must also take at the others, each tried by itself.

    Args:
        space: what is searched.
        config: the sweep's configuration.
        loader: composes trial configurations.
        conditions: the configuration's own values of the keys that conditions ask for.
        judge: raises ConfigError for a composed configuration that the application will not take.

    Returns:
        The configuration of a trial with the first value of each parameter.

    Raises:
        ConfigError: a parameter that the configuration does not have there, a value that it does not take, or a
            condition on a value of the configuration that changes with what is drawn.
    """
    first: DictConfig | None = None
    for chosen in [{}, *_choices_to_try(space, config, loader, conditions)]:
        values = {parameter.name: parameter.first() for parameter in space.every_parameter()} | chosen
        asked: dict[str, str | None] = {}
        lookup = partial(_noting, asked, conditions)
        lines = space.suggest(FixedTrial(values), lookup)  # type: ignore[arg-type]
        try:
            composed = loader.load_sweep_config(config, lines)
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(_explained(error, space, config, loader, lines, chosen)) from error
        _check_asked(asked, composed, chosen)
        if judge is not None:
            judge(composed)
        first = composed if first is None else first
    assert first is not None
    _try_values(space, first, config, loader)
    if judge is not None:
        valued = [parameter for parameter in space.parameters if not is_group(parameter.key, config, loader)]
        for key, value in _other_values(valued):
            other = first.copy()
            OmegaConf.update(other, key, value)
            judge(other)
    return first


def _noting(asked: dict[str, str | None], conditions: Mapping[str, str | None], key: str) -> str | None:
    return asked.setdefault(key, conditions.get(key))


def _check_asked(asked: Mapping[str, str | None], composed: DictConfig, chosen: Mapping[str, Any]) -> None:
    """Refuse a condition that was judged by another value than its trial has."""
    for key, text in asked.items():
        if (now := _configured(key, composed)) != text:
            where = _where(chosen) or " in one"
            raise ConfigError(
                f"`params.when` asks for `{key}`, which is {text} before a trial draws and {now}{where}; "
                "ask for what is searched"
            )


def _where(chosen: Mapping[str, Any]) -> str:
    return f" when {', '.join(f'{name}={value}' for name, value in chosen.items())}" if chosen else ""


def _try_values(space: Space, composed: DictConfig, config: DictConfig, loader: ConfigLoader) -> None:
    """Set each choice of each value in a copy of one trial's configuration, whose types may refuse it.

    Raises:
        ConfigError: with the first choice that they refuse.
    """
    tried = composed.copy()
    for parameter in space.parameters:
        choices = parameter.distribution
        if not isinstance(choices, CategoricalDistribution) or is_group(parameter.key, config, loader):
            continue
        for text in map(parameter.text, choices.choices):
            override = OverridesParser.create().parse_overrides([f"++{bare(parameter.key)}={text}"])
            try:
                ConfigLoaderImpl._apply_overrides_to_config(override, tried)
            except (HydraException, OmegaConfBaseException) as error:
                raise ConfigError(_unfit(f"{parameter.key}={text}", error)) from error


def _unfit(line: str, error: Exception, where: str = "") -> str:
    """Why a line does not fit: OmegaConf's reason, where Hydra says only which line it is."""
    if isinstance(error, MissingConfigException) and error.options:
        return explain(error)  # one that a group lacks is named, with the nearest that it has
    if isinstance(error, HydraException) and isinstance(error.__cause__, OmegaConfBaseException):
        reason = lines_of(error.__cause__)[0]
    else:
        reason = one_line(error)
    return f"`{line}`{where} does not fit the configuration: {reason}"


def _other_values(parameters: Iterable[Parameter]) -> Iterator[tuple[str, Any]]:
    """The greatest number of each interval, and every value of each choice but mappings, which would be merged into the
    first; the composed trials have the first.
    """
    for parameter in parameters:
        distribution = parameter.distribution
        if isinstance(distribution, CategoricalDistribution):
            values = (value_of(parameter.text(each)) for each in distribution.choices)
            yield from ((bare(parameter.key), value) for value in values if not isinstance(value, Mapping))
        else:
            assert isinstance(distribution, FloatDistribution | IntDistribution)
            yield bare(parameter.key), distribution.high


def group_choices(space: Space, config: DictConfig, loader: ConfigLoader) -> list[str]:
    """The first choice of each config group that is searched, as overrides."""
    return [
        f"{parameter.key}={parameter.text(parameter.first())}"
        for parameter in space.parameters
        if is_group(parameter.key, config, loader)
    ]


def _choices_to_try(
    space: Space, config: DictConfig, loader: ConfigLoader, conditions: Iterable[str]
) -> list[dict[str, Any]]:
    """For each trial to compose what it has, by names, where that is not the first value; none of them twice."""
    first = {parameter.name: parameter.first() for parameter in space.every_parameter()}
    drawn: dict[str, list[tuple[Parameter, dict[str, Any]]]] = {}
    tried: list[dict[str, Any]] = [{}]

    def note(chosen: dict[str, Any]) -> None:
        other = {name: value for name, value in chosen.items() if value != first[name]}
        if other not in tried:
            tried.append(other)

    def visit(space: Space, above: dict[str, Any]) -> None:
        note(above)
        for parameter in space.parameters:
            drawn.setdefault(bare(parameter.key), []).append((parameter, above))
            each = is_group(parameter.key, config, loader) or _has_part(parameter, conditions)
            for choice in parameter.grid() if each else ():
                note({**above, parameter.name: choice})
        for branch in space.branches:
            visit(branch.space, _holding(branch, above, drawn.get(branch.key, [])))

    visit(space, {})
    return tried[1:]


def _has_part(parameter: Parameter, conditions: Iterable[str]) -> bool:
    """Whether conditions ask for keys that a searched mapping has."""
    return any(key.startswith(f"{bare(parameter.key)}.") for key in conditions)


def _holding(branch: Branch, above: dict[str, Any], drawn: list[tuple[Parameter, dict[str, Any]]]) -> dict[str, Any]:
    """What makes a branch hold.

    Args:
        branch: a branch.
        above: what makes the space hold that it stands in; all that there is to choose where no parameter decides.
        drawn: the parameters of the branch's key, each with what makes its own space hold.
    """
    for parameter, its_above in drawn:
        for choice in filter(None, map(partial(drawn_as, parameter), branch.values)):
            chosen = {**its_above, parameter.name: choice[0]}
            if all(above.get(name, value) == value for name, value in chosen.items()):
                return {**above, **chosen}
    return above


def _explained(
    error: Exception,
    space: Space,
    config: DictConfig,
    loader: ConfigLoader,
    lines: list[str],
    chosen: Mapping[str, Any],
) -> str:
    """Which line is at fault, found by composing without it; with the nearest key that there is."""
    picked = [parameter.key for parameter in space.every_parameter() if parameter.name in chosen]
    last_first = lines[::-1]
    for line in sorted(last_first, key=lambda each: each.partition("=")[0] in picked):
        rest = [other for other in lines if other != line]
        try:
            composed = loader.load_sweep_config(config, rest)
        except (HydraException, OmegaConfBaseException):
            continue
        key = bare(line.partition("=")[0])
        where = _where(chosen)
        if key.partition("@")[0] not in keys_of(composed) and not is_group(key, config, loader):
            is_outside = any(bare(parameter.key) == key for parameter in space.parameters)
            branch = " (search it under `params.when`)" if chosen and is_outside else ""
            near = nearest(key, keys_of(composed)) or f"; +{key}=… adds it"
            return f"the configuration has no `{key}`{where}{near}{branch}"
        return _unfit(line, error, where)
    return f"the configuration does not compose: {one_line(error)}"
