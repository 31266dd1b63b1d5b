"""The settings of a Hydra plugin, read from its dataclass: each field's meaning is the comment that stands above it."""

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace


@dataclass(frozen=True)
class Setting:
    """A field of a settings class.

    Attributes:
        name: the field's.
        type: its annotation, as it is written.
        meaning: the comment above it; empty where there is none.
    """

    name: str
    type: str
    meaning: str


def commented(settings: type) -> Iterator[Setting]:
    """The fields that a user sets, in their order: neither Hydra's own nor the defaults list.

    Of a field that is a group of settings itself, its own follow by dotted names.
    """
    groups = {field.name: field.type for field in fields(settings) if is_dataclass(field.type)}
    source = inspect.getsource(settings)
    lines, definition = source.splitlines(), ast.parse(source).body[0]
    assert isinstance(definition, ast.ClassDef)
    for node in definition.body:
        if not isinstance(node, ast.AnnAssign):
            continue
        name = ast.unparse(node.target)
        if name == "defaults" or name.startswith("_"):
            continue
        comment: list[str] = []
        for line in reversed(lines[: node.lineno - 1]):
            if not line.strip().startswith("#"):
                break
            comment.insert(0, line.strip().removeprefix("# "))
        if name in groups:
            yield from (replace(each, name=f"{name}.{each.name}") for each in commented(groups[name]))  # type: ignore[arg-type]
            continue
        yield Setting(name, ast.unparse(node.annotation), " ".join(comment))
