"""Holds settings of the user's own classes against the types that their source gives, before anything is imported."""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lightsweep.config import signature
from lightsweep.errors import ConfigError

_WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text", "None": "null"}
"""The types that are checked, alone and in unions: of any other the class may make what it likes."""


def check_arguments(values: Mapping[str, Any]) -> None:
    """Check numbers, texts, truth values and null; whole numbers may stand for others, and 0 and 1 for truth values.

    Numbers may stand for texts, which nobody quotes. A scheduler's `auto` fits, and anything where an argument's own
    default is not of its type.

    Args:
        values: a configuration that the schema takes, as plain mappings.

    Raises:
        ConfigError: the first that is of another type.
    """
    trusted = tuple(f"{prefix.rstrip('.')}." for prefix in values["trust"])
    for name, node in _nodes(values):
        target = str(node.get("_target_"))
        callee = signature.read(target) if target.startswith(trusted) else None
        for argument in callee.arguments if callee is not None else ():
            value, kinds = node.get(argument.name, ...), _kinds(argument)
            if not kinds or _fits(value, kinds) or not _fits_itself(argument.default, kinds):
                continue
            if name == "scheduler" and value == "auto":
                continue
            wanted = " or ".join(_WORDS[kind] for kind in kinds)
            raise ConfigError(f"`{name}.{argument.name}` must be {wanted}, as {target} has it, but got {value!r}")


def _nodes(values: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What objects are made of, by its dotted key."""
    for group in ("model", "data", "optimizer", "scheduler"):
        yield group, values[group]
    for group in ("logger", "callbacks", "metrics"):
        for name, node in (values.get(group) or {}).items():
            yield f"{group}.{name}", node


def _kinds(argument: signature.Argument) -> list[str]:
    """An argument's types, and None where that is its default, if all are among those that are checked; else none."""
    union = re.fullmatch(r"(?:\w+\.)?(Optional|Union)\[(.*)\]", argument.annotation)
    parts = re.split(r"[|,]", union[2] if union else argument.annotation)
    kinds = [part.strip() for part in parts]
    if (union is not None and union[1] == "Optional") or (argument.default == "None" and "None" not in kinds):
        kinds.append("None")
    return kinds if set(kinds) <= _WORDS.keys() else []


def _fits_itself(default: str | None, kinds: list[str]) -> bool:
    """Whether an argument's default is of its own types, as far as it is a literal."""
    try:
        return default is None or _fits(ast.literal_eval(default), kinds)
    except (ValueError, SyntaxError):
        return True


def _fits(value: Any, kinds: list[str]) -> bool:
    if value is None:
        return "None" in kinds
    if isinstance(value, bool):
        return bool({"bool", "int", "float"} & {*kinds})
    if isinstance(value, int):
        return bool({"int", "float", "str"} & {*kinds}) or ("bool" in kinds and value in (0, 1))
    if isinstance(value, float):
        return bool({"float", "str"} & {*kinds})
    return "str" in kinds if isinstance(value, str) else True  # a list or what another target makes
