"""Plain data: all that a checkpoint may hold, since it is read without running anybody's code."""

import io
import pickle
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from lightsweep.errors import ConfigError

_PLAIN = {type(None), bool, int, float, complex, str, bytes}


def is_loadable(value: Any) -> bool:
    """Whether torch saves a value and gives it back with `weights_only=True`."""
    file = io.BytesIO()
    try:
        torch.save(value, file)
        file.seek(0)
        torch.load(file, weights_only=True)
    except (pickle.PicklingError, pickle.UnpicklingError, AttributeError, TypeError):
        return False
    return True


def refuse_unloadable(checkpoint: dict[str, Any]) -> None:
    """Raise ConfigError, with the place of the first such value, if a checkpoint could not be loaded again.

    What is seldom there is tried, so that a checkpoint of tensors and numbers costs next to nothing.
    """
    for place, value in _others(checkpoint, ""):
        if isinstance(value, DTensor):
            raise ConfigError(
                f"a checkpoint holds whole tensors, but {place} in it is the part that FSDP left one process of one: "
                "let the `state_dict` that gives it give its `full_tensor()`"
            )
        if not is_loadable(value):
            kind = type(value)
            raise ConfigError(
                "a checkpoint must hold tensors, numbers, texts, lists and dictionaries alone, or it cannot be loaded, "
                f"but {place} in it is a {kind.__module__}.{kind.__qualname__}: change the `state_dict` that gives it"
            )


def _others(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """What is neither a whole tensor nor plain in itself, with the keys that lead to it."""
    kind = type(value)
    if kind in _PLAIN or (isinstance(value, Tensor) and kind is not DTensor):
        return
    if kind in (list, tuple) and _PLAIN.issuperset(map(type, value)):  # a generator's state has hundreds
        return
    if kind not in (dict, OrderedDict, list, tuple):
        yield place, value
        return
    named = isinstance(value, dict)
    for key, part in value.items() if named else enumerate(value):
        inside = f"{place}.{key}".lstrip(".")
        if named:
            yield from _others(key, inside)
        yield from _others(part, inside)
