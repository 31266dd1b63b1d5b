"""Types in words: of the schema's fields, and of annotations as Python spells them."""

import ast
import types
from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from lightsweep.config.check import interval

_WORDS = {
    "float": ("number", "numbers"),
    "int": ("whole number", "whole numbers"),
    "bool": ("true or false", "true or false"),
    "str": ("text", "texts"),
    "Any": ("anything", "anything"),
    "Callable": ("function", "functions"),
    "Path": ("text", "texts"),
    "_PATH": ("text", "texts"),  # Lightning's own name for a path
} | dict.fromkeys(("dict", "Dict", "Mapping"), ("group of keys", "groups of keys"))
"""A type's name in words: of one, and of several."""
_LISTS = {"list", "List", "tuple", "Tuple", "Sequence", "Iterable", "set"}


def described(field: FieldInfo, many: bool = False) -> str:
    """A field's type and range in words; each part of a union has its own.

    Args:
        field: of the schema.
        many: in the plural.
    """
    annotation, origin = field.annotation, get_origin(field.annotation)
    if origin is Literal:
        return _one_of(get_args(annotation))
    if origin is dict:
        return _WORDS["dict"][many]
    inside = [FieldInfo.from_annotation(part) for part in get_args(annotation)]
    if origin is list:
        return f"{'lists' if many else 'list'} of {described(inside[0], many=True)}"
    if inside:
        null = types.NoneType in get_args(annotation)
        return _either([described(part, many) for part in inside if part.annotation is not types.NoneType], null)
    bounds, pattern = interval(field), next((each.pattern for each in field.metadata if hasattr(each, "pattern")), None)
    within = f" in {bounds}" if bounds else f" like {pattern}" if pattern else ""
    return _word(getattr(annotation, "__name__", str(annotation)), many) + within


def in_words(annotation: str) -> str:
    """A type as Python spells it in the words of `described`; one that has none by its last name."""
    try:
        return _spoken(ast.parse(annotation, mode="eval").body)
    except SyntaxError:
        return annotation


def _spoken(node: ast.expr, many: bool = False) -> str:
    parts = list(_alternatives(node))
    return _either([_alone(part, many) for part in parts if not _is_null(part)], any(map(_is_null, parts)))


def _alternatives(node: ast.expr) -> Iterator[ast.expr]:
    """What a union is of; of all else, that alone."""
    inside, name = _inside(node)
    if name == "Optional":
        inside = [*inside, ast.Constant(None)]
    elif isinstance(node, ast.BinOp):
        inside = [node.left, node.right]
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):  # of a class that is defined further below
        inside = [ast.parse(node.value, mode="eval").body]
    elif name != "Union":
        yield node
        return
    for part in inside:
        yield from _alternatives(part)


def _alone(node: ast.expr, many: bool) -> str:
    inside, name = _inside(node)
    if name == "Literal":
        return _one_of([ast.literal_eval(part) for part in inside])
    if name in _LISTS and inside:
        return f"{'lists' if many else 'list'} of {_spoken(inside[0], many=True)}"
    return _word(name, many)


def _inside(node: ast.expr) -> tuple[list[ast.expr], str]:
    """What stands in a type's brackets, and its last name."""
    if not isinstance(node, ast.Subscript):
        return [], ast.unparse(node).rpartition(".")[2]
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice], _inside(node.value)[1]


def _is_null(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _either(words: Sequence[str], null: bool) -> str:
    return " or ".join(dict.fromkeys(words)) + (" or null" if null else "")


def _one_of(choices: Sequence[Any]) -> str:
    spelt = [str(choice).lower() if isinstance(choice, bool) else str(choice) for choice in choices]
    return "one of " * (len(spelt) > 1) + ", ".join(spelt)


def _word(name: str, many: bool) -> str:
    return _WORDS.get(name, (name, name))[many]
