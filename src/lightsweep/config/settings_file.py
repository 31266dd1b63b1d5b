"""What a file of `experiment` or `sweeps` comes to: the choices of groups that it makes, and values all over."""

from collections.abc import Sequence
from typing import Any

from hydra._internal.config_repository import IConfigRepository
from hydra.core.default_element import ConfigDefault, GroupDefault
from omegaconf import DictConfig, OmegaConf

from lightsweep.config.dotted import dotted
from lightsweep.errors import ConfigError

_WHEN = "hydra.sweeper.params.when"


def settings(path: str, repository: IConfigRepository) -> tuple[dict[str, Any], list[tuple[str, Any]]]:
    """The choices by group, and the values by dotted key, with those of the files that it builds on.

    A search's `when` has an entry for each of its conditions, whose keys have dots of their own.

    Args:
        path: `experiment/fast99`, without the ending.
        repository: Hydra's.

    Raises:
        ConfigError: it builds on itself.
    """
    choices, values = _composed(path, repository)
    conditions = OmegaConf.select(values, _WHEN)
    if conditions is None:
        return choices, list(dotted(_unresolved(values)))
    del OmegaConf.select(values, _WHEN.rpartition(".")[0])["when"]
    return choices, [
        *dotted(_unresolved(values)),
        *((_WHEN, {name: inner}) for name, inner in _unresolved(conditions).items()),
    ]


def _composed(path: str, repository: IConfigRepository, above: Sequence[str] = ()) -> tuple[dict[str, Any], DictConfig]:
    if path in above:
        raise ConfigError(f"`{path}` builds on itself: {' → '.join([*above, path])}")
    found = repository.load_config(path)
    choices: dict[str, Any] = {}
    values = OmegaConf.create()
    if found is None:
        return choices, values
    assert isinstance(found.config, DictConfig)
    defaults = list(found.defaults_list or ())
    if not any(default.is_self() for default in defaults):
        defaults.append(ConfigDefault(path="_self_"))
    for default in defaults:
        if default.is_self():
            values = OmegaConf.merge(values, found.config)  # type: ignore[assignment]
        elif isinstance(default, ConfigDefault):
            below, inner = _composed(_beside(path, str(default.path)), repository, [*above, path])
            choices, values = choices | below, OmegaConf.merge(values, inner)  # type: ignore[assignment]
        elif isinstance(default, GroupDefault):
            choices[str(default.group).removeprefix("/")] = default.value
    return choices, values


def _beside(path: str, name: str) -> str:
    """The file that a name in the defaults list of another means."""
    return name.removeprefix("/") if name.startswith("/") else f"{path.rpartition('/')[0]}/{name}"


def _unresolved(node: DictConfig) -> dict[str, Any]:
    return OmegaConf.to_container(node, resolve=False)  # type: ignore[return-value]
