"""What a class or function takes and is for, read from its source: nothing is imported, so nothing of it runs."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

from lightsweep.config import docstring

_DEPTH = 8
"""Re-exports and base classes that are followed."""

GIVEN_BY_US = {
    "params",
    "groups",
    "optimizer",
    "spec",
    "net",
    "task",
    "seed",
    "save_dir",
    "last_epoch",
    "options",
    "num_classes",
}
"""Arguments that lightsweep gives itself, or that are no key's."""


@dataclass(frozen=True)
class Argument:
    """One argument of a callable, as its source spells it.

    Attributes:
        name: its name.
        annotation: its type; an empty text if it has none.
        default: its default; None if it must be given.
        meaning: its first sentence in the docstring; empty if it has none.
    """

    name: str
    annotation: str
    default: str | None
    meaning: str = ""


@dataclass(frozen=True)
class Callee:
    """A class or function.

    Attributes:
        summary: the first line of its docstring.
        arguments: what it takes, without `self`; those of a base class after its own where it passes `**options` on.
    """

    summary: str
    arguments: tuple[Argument, ...]


def read(target: str) -> Callee | None:
    """What an import path such as `torch.optim.Adam` names; None where no Python source shows it."""
    found = _find(*_module_of(target))
    if found is None:
        return None
    node, path = found
    if not isinstance(node, Definition):
        return None
    texts = _documentation(node, path)
    return Callee(docstring.summary("\n".join(texts)), tuple(_with_meanings(_arguments(node, path), node, path)))


def _module_of(target: str) -> tuple[Path | None, str]:
    """The file of the module in which an import path ends, and the name in it."""
    top, *rest = target.split(".")
    spec = PathFinder.find_spec(top)
    if spec is None:
        return None, ""
    folders = [Path(folder) for folder in spec.submodule_search_locations or []]
    file = Path(spec.origin) if spec.origin else None
    while len(rest) > 1:
        inner = next((found for folder in folders if (found := _module_in(folder, rest[0]))), None)
        if inner is None:
            return None, ""
        file, folders = inner, [inner.parent] if inner.name == "__init__.py" else []
        rest = rest[1:]
    return file, rest[0] if rest else ""


def _module_in(folder: Path, name: str) -> Path | None:
    choices = (folder / name / "__init__.py", folder / f"{name}.py")
    return next((path for path in choices if path.is_file()), None)


def _parsed(path: Path) -> ast.Module | None:
    return _parsed_as_of(path, path.stat().st_mtime_ns) if path.suffix == ".py" and path.is_file() else None


@cache
def _parsed_as_of(path: Path, changed_ns: int) -> ast.Module | None:
    """A module's tree, read anew where a notebook's user has changed the file meanwhile."""
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return None


Definition = ast.ClassDef | ast.FunctionDef


def _find(path: Path | None, name: str, depth: int = _DEPTH) -> tuple[Definition | ast.Assign, Path] | None:
    """The definition or assignment that a name stands for in a module, through its re-exports."""
    tree = _parsed(path) if path is not None and depth else None
    if tree is None or path is None:
        return None
    for node in reversed(tree.body):  # of several by one name the last counts
        if isinstance(node, Definition) and node.name == name:
            return node, path
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return node, path
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _find(*_imported(path, node, alias.name), depth - 1)
    return None


def _imported(path: Path, node: ast.ImportFrom, name: str) -> tuple[Path | None, str]:
    """Where `from module import name` finds it."""
    if not node.level:
        return _module_of(f"{node.module}.{name}")
    folder = path.parent
    for _ in range(node.level - 1):
        folder = folder.parent
    parts = (node.module or "").split(".") if node.module else []
    for part in parts[:-1]:
        folder = folder / part
    return (_module_in(folder, parts[-1]) if parts else folder / "__init__.py"), name


def _arguments(node: Definition, path: Path, depth: int = _DEPTH) -> list[Argument]:
    init = node if isinstance(node, ast.FunctionDef) else _constructor(node)
    found = [] if init is None else _own_arguments(init)
    if isinstance(node, ast.ClassDef) and depth and (init is None or init.args.kwarg is not None):
        known = {argument.name for argument in found}
        above = next(_above(node, path), None)
        if above is not None:
            inherited = _with_meanings(_arguments(*above, depth - 1), *above)
            found += [argument for argument in inherited if argument.name not in known]
    return found


def _constructor(node: ast.ClassDef) -> ast.FunctionDef | None:
    """Its `__init__`, else its `__new__`."""
    named = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
    return named.get("__init__") or named.get("__new__")


def _own_arguments(function: ast.FunctionDef) -> list[Argument]:
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(given.defaults)) + list(given.defaults)
    pairs = [*zip(positional, defaults, strict=True), *zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    return [
        Argument(
            arg.arg,
            "" if arg.annotation is None else ast.unparse(arg.annotation).strip("'\""),
            None if default is None else ast.unparse(default),
        )
        for arg, default in pairs
        if arg.arg not in ("self", "cls")
    ]


def _with_meanings(arguments: list[Argument], node: Definition, path: Path) -> list[Argument]:
    """Arguments with what is said of them: where they are taken, else where the call leads, else in a base class."""
    for place in _places(node, path):
        if all(argument.meaning for argument in arguments):
            break  # base classes are large files
        said: dict[str, str] = {}
        for names, meaning in docstring.entries("\n".join(_documentation(*place))):
            for name in names:
                said.setdefault(name, meaning)
        arguments = [
            argument if argument.meaning else replace(argument, meaning=said.get(argument.name, ""))
            for argument in arguments
        ]
    return arguments


def _places(node: Definition, path: Path, depth: int = _DEPTH) -> Iterator[tuple[Definition, Path]]:
    yield node, path
    if isinstance(node, ast.ClassDef) and depth:
        for place in [*_made(node, path), *_above(node, path), *_referred(node, path)]:
            yield from _places(*place, depth - 1)


def _made(node: ast.ClassDef, path: Path) -> Iterator[tuple[Definition, Path]]:
    """The classes of which `__new__` returns one, as torchmetrics' `AUROC` does `MulticlassAUROC`."""
    init = _constructor(node)
    returned = [each.value for each in ast.walk(init) if isinstance(each, ast.Return)] if init is not None else []
    yield from _defined([each.func for each in returned if isinstance(each, ast.Call)], path)


def _above(node: ast.ClassDef, path: Path) -> Iterator[tuple[Definition, Path]]:
    """Its base classes."""
    yield from _defined(node.bases, path)


def _referred(node: ast.ClassDef, path: Path) -> Iterator[tuple[Definition, Path]]:
    """The classes of which a docstring says that the arguments are the same."""
    for target in re.findall(r"the same as\s+:class:`~?([\w.]+)`", "\n".join(_documentation(node, path))):
        found = _find(*_module_of(target))
        if found is not None and isinstance(found[0], Definition):
            yield found[0], found[1]


def _defined(names: list[ast.expr], path: Path) -> Iterator[tuple[Definition, Path]]:
    for name in names:
        found = _find(path, name.id) if isinstance(name, ast.Name) else None
        if found is not None and isinstance(found[0], Definition):
            yield found[0], found[1]


def _documentation(node: Definition, path: Path) -> list[str]:
    """The docstrings of a definition: its own, its constructor's and one that is assigned."""
    tree = _parsed(path)
    texts = [ast.get_docstring(node) or ""]
    if isinstance(node, ast.ClassDef):
        init = _constructor(node)
        texts.append((init and ast.get_docstring(init)) or "")
    for part in tree.body if tree is not None else []:  # torch writes `Adam.__doc__ = r"…"` below the class
        if isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) == f"{node.name}.__doc__":
            texts.append(_text(part.value, path))
    return texts


def _text(value: ast.expr, path: Path) -> str:
    """A text put together from others, as torch does of what its optimizers share: `rf"… {_foreach_doc} …"`."""
    if isinstance(value, ast.Constant):
        return value.value if isinstance(value.value, str) else ""
    if isinstance(value, ast.BinOp):
        return _text(value.left, path) + _text(value.right, path)
    if isinstance(value, ast.JoinedStr):
        return "".join(_text(part, path) for part in value.values)
    if isinstance(value, ast.FormattedValue) and isinstance(value.value, ast.Name):
        found = _find(path, value.value.id)
        if found is not None and isinstance(found[0], ast.Assign):
            return _text(found[0].value, found[1])
    return ""
