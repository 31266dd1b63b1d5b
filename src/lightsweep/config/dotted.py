"""Trees of plain data by dotted keys, as overrides name them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def dotted(tree: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested mappings with their dotted keys; lists and empty mappings are leaves."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def keys(tree: Mapping[Any, Any], prefix: str = "") -> Iterator[str]:
    """Every dotted key of nested mappings, those of the mappings too."""
    for key, value in tree.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from keys(value, f"{prefix}{key}.")


def is_within(key: str, names: Iterable[object]) -> bool:
    """Whether a dotted key is one of some names, or lies below one."""
    return f"{key}.".startswith(tuple(f"{name}." for name in names))


def leaves(values: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a tree with its dotted key; the elements of lists, too, by their places."""
    if isinstance(values, (dict, list)):
        pairs = values.items() if isinstance(values, dict) else enumerate(values)
        for key, value in pairs:
            yield from leaves(value, f"{above}.{key}" if above else str(key))
    else:
        yield above, values
