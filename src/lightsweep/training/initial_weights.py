"""Weights that a network is given to start with: another run's, or those of a file."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from lightsweep.config.dotted import is_within
from lightsweep.errors import ConfigError, RunFolderError
from lightsweep.paths import RunPaths
from lightsweep.training.checkpoints import read

_OWN = "net."
_AVERAGED = "ema.module."
"""Beginnings of the names that a run's checkpoint has for its network's tensors, and for their averages."""


def start_with(net: nn.Module, source: Path, skip: Sequence[str | int] = ()) -> None:
    """Give a network the parameters and buffers of a file, by name, and its extra state; types are converted.

    Args:
        net: the network.
        source: a run's folder, for its best checkpoint, averaged where the run averaged its weights; or a file, a
            checkpoint or what `torch.save(net.state_dict(), file)` wrote.
        skip: names, or beginnings of names up to a dot, of tensors that are not taken.

    Raises:
        ConfigError: a tensor that is not skipped is in one of the two alone, or has another shape.
        RunFolderError: no such file, or one that is damaged or holds more than plain data.
    """
    path = RunPaths(source).best if source.is_dir() else source
    given, own = _weights_of(path), net.state_dict()
    skipped = {name for name in given.keys() | own.keys() if is_within(name, skip)}
    for begin in map(str, skip):
        if not any(is_within(name, [begin]) for name in skipped):
            raise ConfigError(f"`skip_weights` names {begin!r}, but neither {path} nor the network has such a tensor")
    taken = {name: value for name, value in given.items() if name not in skipped}
    _refuse_misfits({name: value for name, value in own.items() if name not in skipped}, taken, path)
    net.load_state_dict({**own, **taken})


def _weights_of(path: Path) -> dict[str, Any]:
    """A file's tensors by the names that they have within the network."""
    found = read(path, mapped=True)
    if isinstance(found, Mapping) and isinstance(found.get("state_dict"), Mapping):
        found = found["state_dict"]
        for beginning in (_AVERAGED, _OWN):
            if any(str(name).startswith(beginning) for name in found):
                found = {name.removeprefix(beginning): found[name] for name in found if name.startswith(beginning)}
                break
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise RunFolderError(f"{path} holds no weights by name, as `torch.save(net.state_dict(), file)` writes them")
    return dict(found)


def _shape(value: Any) -> tuple[int, ...] | None:
    """A tensor's; None of what `get_extra_state` gave."""
    return tuple(value.shape) if isinstance(value, Tensor) else None


def _refuse_misfits(own: Mapping[str, Any], given: Mapping[str, Any], path: Path) -> None:
    fit = {name for name in own.keys() & given.keys() if _shape(own[name]) == _shape(given[name])}
    misfits = [name for name in dict.fromkeys([*own, *given]) if name not in fit]
    if not misfits:
        return
    name = misfits[0]
    part = name.rpartition(".")[0] or name
    if name not in given:
        told = f"{path} has no {name}, which this network has; to keep it as it is drawn"
    elif name not in own:
        told = f"{path} has {name}, which this network has not; to leave it out"
        part = _part_apart(name, own)
    else:
        here, there = (list(_shape(value) or []) for value in (own[name], given[name]))
        told = f"{name} is {there} in {path} but {here} in this network; to keep it as it is drawn"
    alone = all(is_within(other, [part]) for other in misfits)
    in_all = "" if alone else f"; in all, {len(misfits)} of {len(own.keys() | given.keys())} tensors do not fit"
    raise ConfigError(f"`weights`: {told}: skip_weights=[{part}]{in_all}")


def _part_apart(name: str, others: Iterable[str]) -> str:
    """The shortest beginning of a name, up to a dot, that none of the others has: the whole part that it belongs to."""
    words = name.split(".")
    beginnings = (".".join(words[:length]) for length in range(1, len(words)))
    return next((begin for begin in beginnings if not any(is_within(other, [begin]) for other in others)), name)
