"""What a class or function takes and is for, read from its source: nothing is imported, so nothing of it runs."""

import ast
import re
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

_DEPTH = 8
"""Re-exports and base classes that are followed."""


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
    summary, meanings = _documentation(node, path)
    return Callee(summary, tuple(_arguments(node, path, meanings)))


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


@cache
def _parsed(path: Path) -> ast.Module | None:
    if path.suffix != ".py":
        return None
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return None


Definition = ast.ClassDef | ast.FunctionDef


def _find(path: Path | None, name: str, depth: int = _DEPTH) -> tuple[Definition, Path] | None:
    """The definition that a name stands for in a module, through its re-exports."""
    tree = _parsed(path) if path is not None and depth else None
    if tree is None or path is None:
        return None
    for node in tree.body:
        if isinstance(node, Definition) and node.name == name:
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


def _arguments(node: Definition, path: Path, meanings: dict[str, str], depth: int = _DEPTH) -> list[Argument]:
    init = node if isinstance(node, ast.FunctionDef) else _constructor(node)
    found = [] if init is None else _own_arguments(init, meanings)
    if isinstance(node, ast.ClassDef) and depth and (init is None or init.args.kwarg is not None):
        known = {argument.name for argument in found}
        for base in node.bases:
            if isinstance(base, ast.Name) and (above := _find(path, base.id)) is not None:
                inherited = _arguments(*above, _documentation(*above)[1] | meanings, depth - 1)
                found += [argument for argument in inherited if argument.name not in known]
                break
    return found


def _constructor(node: ast.ClassDef) -> ast.FunctionDef | None:
    found = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
    return found[-1] if found else None


def _own_arguments(function: ast.FunctionDef, meanings: dict[str, str]) -> list[Argument]:
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(given.defaults)) + list(given.defaults)
    pairs = [*zip(positional, defaults, strict=True), *zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    return [
        Argument(
            arg.arg,
            "" if arg.annotation is None else ast.unparse(arg.annotation).strip("'\""),
            None if default is None else ast.unparse(default),
            meanings.get(arg.arg, ""),
        )
        for arg, default in pairs
        if arg.arg not in ("self", "cls")
    ]


def _documentation(node: Definition, path: Path) -> tuple[str, dict[str, str]]:
    """A docstring's first line, and the first sentence on each argument."""
    tree = _parsed(path)
    texts = [ast.get_docstring(node) or ""]
    if isinstance(node, ast.ClassDef):
        init = _constructor(node)
        texts.append((init and ast.get_docstring(init)) or "")
    for part in tree.body if tree is not None else []:  # torch writes `Adam.__doc__ = r"…"` below the class
        if isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) == f"{node.name}.__doc__":
            strings = [leaf for leaf in ast.walk(part.value) if isinstance(leaf, ast.Constant)]
            strings.sort(key=lambda leaf: (leaf.lineno, leaf.col_offset))  # the parts of a sum, in their order
            texts += [leaf.value for leaf in strings if isinstance(leaf.value, str)]
    summary = next((line.strip() for text in texts for line in text.splitlines() if line.strip()), "")
    meanings: dict[str, str] = {}
    for text in texts:
        for names, meaning in _described(text):
            for name in names:
                meanings.setdefault(name, meaning)
    return summary, meanings


_ENTRY = re.compile(r"^(\s*)(\w+(?:, \w+)*)\s*(?:\([^)]*\))?:\s+(\S.*)$")


def _described(text: str) -> list[tuple[list[str], str]]:
    """The `name: meaning` entries of a docstring, each with its first sentence."""
    lines, found = text.splitlines(), []
    for index, line in enumerate(lines):
        match = _ENTRY.match(line)
        if match is None:
            continue
        indent, words = len(match[1]), [match[3]]
        for following in lines[index + 1 :]:
            if not following.strip() or len(following) - len(following.lstrip()) <= indent:
                break
            words.append(following.strip())
        sentence = re.split(r"(?<=[a-z)`\]])[.;](?:\s|$)", " ".join(words))[0]
        found.append((match[2].split(", "), re.sub(r"\s*\(default: [^)]*\)", "", sentence).strip()))
    return found
