"""Writes the reference pages from what the program itself goes by: the typed schema, `conf/` and the plugins' settings.

Nothing here is kept by hand, so nothing can drift: types, ranges and meanings are the schema's, defaults are those that
Hydra composes.
"""

import re
from typing import Any

import hydra
from hydra import initialize_config_dir
from mkdocs.structure.files import File, Files
from omegaconf import OmegaConf

from lightsweep import paths
from lightsweep.config import catalogue
from lightsweep.config.check import WHOLE
from lightsweep.config.schema import GROUPS, Config, Logger, Open
from lightsweep.config.type_words import described


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
    loggers = values["logger"] or {}
    parts += ["## logger\n", "Of a logger by its name, as `logger.tensorboard.norms`; all else is its constructor's.",
              _table(_rows(Logger, next(iter(loggers.values()), {}), "logger.<name>."))]  # fmt: skip
    return "\n\n".join(parts)


def choices() -> str:
    """Every member of every group, with its target, its defaults, and what its own keys mean."""
    parts = [
        "# Choices",
        "What each group offers: `python train.py group=choice`. Each is a file of `conf/`, or of `sweeps/`. "
        "`python train.py info=group` tells of all keys, with those that no file names.",
    ]
    others = sorted(path.name for path in paths.conf_dir().iterdir() if path.is_dir() and path.name not in GROUPS)
    for group in [*GROUPS, *others, "sweeps"]:
        about = {
            "experiment": "Whole settings by name.",
            "sweeps": "Searches by name: `python train.py -m sweeps=choice`.",
        }
        told = "sets" if group in about else "its keys and their defaults"
        found = catalogue.members(group)
        rows = [[f"`{group}={each.name}`", f"`{each.target}`" if each.target else "", _given(each)] for each in found]
        table = [["choice", "builds", told], *rows]
        parts += [
            f"## {group}\n",
            about.get(group, ""),
            _table([[row[0], row[2]] if group in about else row for row in table]),
        ]
        parts += _own_keys(group, found)
    return "\n\n".join(part for part in parts if part)


def plugins() -> str:
    """The settings of the sweeper and the launchers, with the comments that stand above them in the source."""
    parts = ["# Sweeper and launchers"]
    for group, choice, prefix in (
        ("hydra/sweeper", "optuna", "hydra.sweeper."),
        ("hydra/launcher", "local", "hydra.launcher."),
        ("hydra/launcher", "ray", "ray."),
        ("hydra/launcher", "slurm", "slurm."),
    ):
        (member,) = (each for each in catalogue.members(group) if each.name == choice)
        rows = [[f"`{prefix}{key.name}`", key.type, _code(key.default), _escaped(key.meaning)] for key in member.keys]
        parts += [f"## {group}={choice}\n", _table([["key", "type", "default", "meaning"], *rows])]
    for group in ("hydra/sweeper/sampler", "hydra/sweeper/pruner"):
        rows = [[f"`{group}={each.name}`", f"`{str(each.target).rpartition('.')[2]}`",
                 ", ".join(f"`{key.name}`" for key in each.keys)] for each in catalogue.members(group)]  # fmt: skip
        parts += [f"## {group}\n", _table([["choice", "class of Optuna", "its arguments"], *rows])]
    return "\n\n".join(parts)


def _given(member: catalogue.Member) -> str:
    """What its file gives."""
    return " ".join(f"`{key.name}={_required(key.default)}`" for key in member.keys if not key.added)


def _own_keys(group: str, found: list[catalogue.Member]) -> list[str]:
    """What the members' own keys mean, which are not among those of the page of every key."""
    if group in WHOLE:
        return []
    schema = (GROUPS | {"logger": Logger}).get(group)
    shared = {field.alias or name for name, field in schema.model_fields.items()} if schema is not None else set()
    rows: dict[tuple[str, str, str], list[str]] = {}
    for member in found:
        for key in member.keys:
            if not key.added and key.name not in shared:
                rows.setdefault((key.name, key.type, key.meaning), []).append(f"`{member.name}`")
    if not rows:
        return []
    lines = [[f"`{name}`", ", ".join(names), kind, _escaped(meaning)] for (name, kind, meaning), names in rows.items()]
    return [f"Keys of single members of `{group}`:", _table([["key", "of", "type", "meaning"], *lines])]


def _rows(model: Any, values: dict[str, Any], prefix: str, skip: set[str] = frozenset()) -> list[list[str]]:  # type: ignore[assignment]
    rows = [["key", "type and range", "default", "meaning"]]
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key not in skip:
            default = f"`{_text(values[key])}`" if key in values else ""
            if (paths.conf_dir() / key).is_dir():
                default = "see [choices](choices.md#" + key + ")"
            rows.append([f"`{prefix}{key}`", _escaped(described(field)), default, field.description or ""])
    return rows


def _composed(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(paths.conf_dir()), version_base="1.3"):
        return OmegaConf.to_container(hydra.compose("train", list(overrides)))  # type: ignore[return-value]


def _text(value: Any) -> str:
    """A value as it is written in an override."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_text(item) for item in value)}]"
    return _required(str(value))


def _required(text: str) -> str:
    return "required" if text == "???" else text


def _escaped(text: str) -> str:
    return re.sub(r"([_*|])", r"\\\1", text)


def _code(text: str) -> str:
    return f"`{_required(text)}`" if text else ""


def _table(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
