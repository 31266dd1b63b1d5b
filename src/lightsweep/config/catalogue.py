"""What can be chosen and set: every member of every group with its keys, from YAML, schema and source; no torch."""

import ast
from dataclasses import dataclass, is_dataclass, replace
from typing import Any

from hydra import compose as hydra_compose
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lightsweep.config import signature
from lightsweep.config.check import WHOLE
from lightsweep.config.commented import Setting, commented
from lightsweep.config.compose import composing
from lightsweep.config.docstring import plain
from lightsweep.config.dotted import dotted
from lightsweep.config.nearest import nearest
from lightsweep.config.renamed import GONE
from lightsweep.config.schema import GROUPS, Config, Logger
from lightsweep.config.settings_file import settings
from lightsweep.config.type_words import described, in_words
from lightsweep.errors import ConfigError

TOPICS = {
    "models": "model",
    "data": "data",
    "optimizers": "optimizer",
    "schedulers": "scheduler",
    "trainers": "trainer",
    "early_stopping": "early_stopping",
    "loggers": "logger",
    "callbacks": "callbacks",
    "metrics": "metrics",
    "experiments": "experiment",
    "debug": "debug",
    "sweeps": "sweeps",
    "launchers": "hydra/launcher",
    "sweepers": "hydra/sweeper",
    "samplers": "hydra/sweeper/sampler",
    "pruners": "hydra/sweeper/pruner",
}
"""The words of `info=` and the Hydra groups that they stand for; `run` stands for the keys outside of groups."""

_SCHEMA: dict[str, type[BaseModel]] = {"": Config, "logger": Logger, **GROUPS}
"""What tells of a group's keys; an empty name stands for those outside of groups."""


@dataclass(frozen=True)
class Key:
    """A key that can be set.

    Attributes:
        name: within its group.
        type: in words, with its range where it has one.
        default: as YAML would spell it; `???` where it must be given.
        meaning: one line; empty where nobody wrote one.
        added: whether the YAML does not name it, so that Hydra wants a `+` before it.
    """

    name: str
    type: str
    default: str
    meaning: str
    added: bool = False


@dataclass(frozen=True)
class Member:
    """One choice of a group.

    Attributes:
        name: as it is chosen.
        target: import path of what it builds; None if it builds nothing.
        summary: what that is, in a line.
        keys: what can be set.
    """

    name: str
    target: str | None
    summary: str
    keys: tuple[Key, ...]


def members(group: str) -> list[Member]:
    """The choices of a Hydra group, with those of the user's own `conf/`, by name.

    Raises:
        ConfigError: no such group.
    """
    with composing():
        loader = GlobalHydra.instance().config_loader()
        names = loader.get_group_options(group)
        if not names:
            raise ConfigError(f"`info` knows no {group!r}{nearest(group, TOPICS)}; it knows: {', '.join(TOPICS)}, run")
        if group in WHOLE:
            return [_whole(group, name, loader) for name in names]
        if group.startswith("hydra/"):
            nodes = [loader.repository.load_config(f"{group}/{name}").config for name in names]  # type: ignore[attr-defined]
            return [_plugin(name, node) for name, node in zip(names, nodes, strict=True)]
        nodes = [hydra_compose(f"{group}/{name}").get(group) for name in names]
        return [_member(group, name, _unresolved(node)) for name, node in zip(names, nodes, strict=True)]


def run_keys() -> list[Key]:
    """The keys outside of the groups."""
    with composing():
        values = _unresolved(hydra_compose("train"))
    return [
        Key(name, described(field), _spelt(values[name]), field.description or "")
        for name, field in Config.model_fields.items()
        if not isinstance(values[name], dict)
    ]


def _member(group: str, name: str, node: dict[str, Any]) -> Member:
    inner = next(iter(node.values()), None)
    if len(node) == 1 and isinstance(inner, dict):
        node = inner  # loggers, callbacks and metrics stand under a name of their own
    target, renamed = GONE.get(str(node.get("_target_")), (node.get("_target_"), {}))
    callee = signature.read(target) if target is not None else None
    arguments = {argument.name: argument for argument in callee.arguments} if callee is not None else {}
    named = {key: arguments.get(renamed.get(key, key)) for key in node if not key.startswith("_")}
    keys = [_key(group, key, _spelt(node[key]), argument) for key, argument in named.items()]
    absent = [name for name in arguments if name not in node and name not in signature.GIVEN_BY_US]
    keys += [_key(group, name, _plain(arguments[name].default), arguments[name], added=True) for name in absent]
    return Member(name, target, callee.summary if callee is not None else "", tuple(keys))


def _plugin(name: str, node: DictConfig) -> Member:
    """A choice of Hydra's own groups; of settings that have a class, what its comments say."""
    values, told = _unresolved(node), _told(node)
    chosen = {group: choice for default in values.pop("defaults", []) for group, choice in default.items()}
    member = _member("hydra", name, dict(dotted(values)) | chosen)
    keys = [
        Key(key.name, in_words(told[key.name].type), key.default, plain(told[key.name].meaning))
        if key.name in told
        else key
        for key in member.keys
        if not key.added
    ]
    return Member(name, member.target, member.summary, tuple(keys))


def _told(node: Any) -> dict[str, Setting]:
    """What the comments in a plugin's settings say, by key; nothing where these are no class."""
    settings = OmegaConf.get_type(node)
    return {each.name: each for each in commented(settings)} if is_dataclass(settings) else {}


def _key(group: str, name: str, default: str, argument: signature.Argument | None, added: bool = False) -> Key:
    """A key as the schema tells it, else as its argument does."""
    field = _fields(group).get(name)
    if field is not None:
        return Key(name, described(field), default, field.description or "", added)
    if argument is None:
        return Key(name, "", default, "", added)
    if group == "hydra" and default == "null":  # an argument that is left out
        own = "" if argument.default in (None, "None") else f"; null: {_plain(argument.default)}"
        return Key(name, in_words(f"{argument.annotation} | None"), default, argument.meaning + own, added)
    return Key(name, in_words(argument.annotation), default, argument.meaning, added)


def _fields(group: str) -> dict[str, FieldInfo]:
    """What the schema says of a group's keys."""
    model = _SCHEMA.get(group)
    return {field.alias or name: field for name, field in model.model_fields.items()} if model is not None else {}


def _whole(group: str, name: str, loader: Any) -> Member:
    """A file that sets keys all over: the choices that it makes and its values, flat."""
    choices, values = settings(f"{group}/{name}", loader.repository)
    sweeper = loader.repository.load_config(f"hydra/sweeper/{choices.get('hydra/sweeper', 'optuna')}")
    told = _told(sweeper.config) if sweeper is not None else {}
    keys = [Key(key, "choice", _spelt(value), "") for key, value in choices.items()]
    return Member(name, None, "", (*keys, *(_set(key, _spelt(value), told) for key, value in values)))


def _set(name: str, value: str, told: dict[str, Setting]) -> Key:
    """A key that a file sets, as the schema tells it, or the comments in the sweeper's settings."""
    setting = told.get(name.removeprefix("hydra.sweeper."))
    if name.startswith("hydra.sweeper.") and setting is not None:
        return Key(name, in_words(setting.type), value, plain(setting.meaning))
    if name.startswith("hydra.sweeper.params."):
        return Key(name, "search", value, "")
    group, _, key = name.rpartition(".")
    return replace(_key(group, key, value, None), name=name)


def _unresolved(node: Any) -> dict[str, Any]:
    """A node's values with their interpolations as they are."""
    return OmegaConf.to_container(node, resolve=False) if isinstance(node, DictConfig) else {}  # type: ignore[return-value]


def _spelt(value: Any) -> str:
    """A value as YAML would spell it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_spelt(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_spelt, value))}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _plain(default: str | None) -> str:
    """A Python default as YAML would spell it."""
    if default is None:
        return "???"
    try:
        return _spelt(ast.literal_eval(default))
    except (ValueError, SyntaxError):
        return default
