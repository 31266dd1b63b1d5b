"""Writes the reference pages from what the program itself goes by: the typed schema, `conf/` and the plugins' settings.

Nothing here is kept by hand, so nothing can drift: types, ranges and meanings are the schema's, defaults are those that
Hydra composes.
"""

from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import hydra
from hydra import initialize_config_dir
from mkdocs.structure.files import File, Files
from omegaconf import OmegaConf
from pydantic.fields import FieldInfo

from lightsweep import paths
from lightsweep.config.check import interval
from lightsweep.config.commented import commented
from lightsweep.config.schema import GROUPS, Config, Open

_WORDS = {int: "whole number", float: "number", bool: "true or false", str: "text", Any: "anything", NoneType: "null"}


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    pages = {"configuration": configuration(), "choices": choices(), "sweeps-and-launchers": plugins()}
    for name, text in pages.items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files


def configuration() -> str:
    """Every key of a run."""
    values = _composed()
    parts = [
        "# Every key",
        "What `python train.py` takes, as `key=value`. The defaults are those of `python train.py` without overrides; "
        "where a group has several members, the [choices](choices.md) list each member's own. `auto`, `null` and "
        "units are explained with the key.",
        "## The run\n",
        _table(_rows(Config, values, "", skip=set(GROUPS))),
    ]
    for group, model in GROUPS.items():
        about = (model.__doc__ or "").partition(": ")[2]
        parts += [f"## {group}\n", about[:1].upper() + about[1:]]
        if issubclass(model, Open):
            parts.append(
                f"Shared by the members of `{group}`; a member takes those that it lists in [choices](choices.md)."
            )
        parts.append(_table(_rows(model, values[group] or {}, f"{group}.")))
    return "\n\n".join(parts)


def choices() -> str:
    """Every member of every group, with its target and defaults."""
    parts = ["# Choices", "What each group offers: `python train.py group=choice`. Each is a file of `conf/`."]
    others = sorted(path.name for path in paths.conf_dir().iterdir() if path.is_dir() and path.name not in GROUPS)
    for group in [*GROUPS, *others]:
        folder = paths.conf_dir() / group
        if group == "experiment":
            parts += ["## experiment\n", "Whole settings by name.", _table(_experiments(folder))]
        else:
            rows = [[f"`{group}={name}`", *_member(group, name)] for name in _names(folder)]
            parts += [f"## {group}\n", _table([["choice", "builds", "its keys and their defaults"], *rows])]
    return "\n\n".join(parts)


def plugins() -> str:
    """The settings of the sweeper and the launchers, with the comments that stand above them in the source."""
    from hydra_plugins.lightsweep_local.config import LocalLauncherConf
    from hydra_plugins.lightsweep_optuna.config import PRUNERS, SAMPLERS, OptunaSweeperConf, RerunBestConf
    from hydra_plugins.lightsweep_ray.config import RayLauncherConf
    from hydra_plugins.lightsweep_slurm.config import SlurmLauncherConf

    parts = ["# Sweeper and launchers"]
    for title, prefix, settings in (
        ("hydra/sweeper=optuna", "hydra.sweeper.", OptunaSweeperConf),
        ("hydra.sweeper.rerun_best", "hydra.sweeper.rerun_best.", RerunBestConf),
        ("hydra/launcher=local", "hydra.launcher.", LocalLauncherConf),
        ("hydra/launcher=ray", "ray.", RayLauncherConf),
        ("hydra/launcher=slurm", "slurm.", SlurmLauncherConf),
    ):
        rows = [[f"`{prefix}{setting.name}`", f"`{setting.type}`", _default(getattr(settings(), setting.name)),
                 setting.meaning] for setting in commented(settings)]  # fmt: skip
        parts += [f"## {title}\n", _table([["key", "type", "default", "meaning"], *rows])]
    for title, members in (("sampler", SAMPLERS), ("pruner", PRUNERS)):
        rows = [[f"`hydra/sweeper/{title}={member.split()[0]}`", f"`{member.split()[1]}`",
                 ", ".join(f"`{key}`" for key in arguments)] for member, arguments in members.items()]  # fmt: skip
        parts += [f"## hydra/sweeper/{title}\n", _table([["choice", "class of Optuna", "its arguments"], *rows])]
    return "\n\n".join(parts)


def _rows(model: Any, values: dict[str, Any], prefix: str, skip: set[str] = frozenset()) -> list[list[str]]:  # type: ignore[assignment]
    rows = [["key", "type and range", "default", "meaning"]]
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key not in skip:
            default = f"`{_text(values[key])}`" if key in values else ""
            if (paths.conf_dir() / key).is_dir():
                default = "see [choices](choices.md#" + key + ")"
            rows.append([f"`{prefix}{key}`", _kind(field), default, field.description or ""])
    return rows


def _kind(field: FieldInfo) -> str:
    """A field's type in words, with its range."""
    annotation, origin = field.annotation, get_origin(field.annotation)
    if origin in (Union, UnionType):
        return " or ".join(_kind(FieldInfo.from_annotation(part)) for part in get_args(annotation))
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if origin is list:
        return f"list of: {_kind(FieldInfo.from_annotation(get_args(annotation)[0]))}"
    if origin is dict:
        return "group of keys"
    pattern = next((item.pattern for item in field.metadata if getattr(item, "pattern", None)), None)
    within = f" in {interval(field)}" if interval(field) else f" like `{pattern}`" if pattern else ""
    return _WORDS.get(annotation, str(annotation)) + within  # type: ignore[arg-type]


def _composed(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(paths.conf_dir()), version_base="1.3"):
        return OmegaConf.to_container(hydra.compose("train", list(overrides)))  # type: ignore[return-value]


def _names(folder: Path) -> list[str]:
    return [path.stem for path in sorted(folder.glob("*.yaml")) if path.stem != "base"]


def _member(group: str, name: str) -> list[str]:
    values = _composed(f"{group}={name}")[group] or {}
    inner = next(iter(values.values()), None)
    if len(values) == 1 and isinstance(inner, dict):
        values = inner  # loggers, callbacks and metrics stand under a name of their own
    keys = [f"`{key}={_text(value)}`" for key, value in values.items() if key not in ("_target_", "_partial_")]
    return [f"`{values['_target_']}`" if values.get("_target_") else "", " ".join(keys)]


def _experiments(folder: Path) -> list[list[str]]:
    rows = [["choice", "sets"]]
    for name in _names(folder):
        content = OmegaConf.to_container(OmegaConf.load(folder / f"{name}.yaml"))
        rows.append([f"`experiment={name}`", " ".join(f"`{key}={_text(value)}`" for key, value in _leaves(content))])
    return rows


def _leaves(values: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    for item in values.pop("defaults", []):
        if isinstance(item, dict):
            yield from ((key.removeprefix("override /"), value) for key, value in item.items())
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _default(value: Any) -> str:
    return "" if hasattr(value, "__dataclass_fields__") else f"`{_text(value)}`"


def _text(value: Any) -> str:
    """A value as it is written in an override."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_text(item) for item in value)}]"
    return "required" if value == "???" else str(value)


def _table(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
