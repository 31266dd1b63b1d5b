"""Which parts of a network are frozen: a run that goes on has them as they were, whoever froze or thawed them."""

from collections.abc import Collection

from torch import nn
from torch.nn.modules.batchnorm import _NormBase


def frozen_parts(net: nn.Module) -> list[str]:
    """The names of the parameters that take no gradient, and of the norms that keep no running statistics."""
    return [name for name, parameter in net.named_parameters() if not parameter.requires_grad] + [
        name for name, part in _norms(net) if not part.track_running_stats
    ]


def freeze_alone(net: nn.Module, frozen: Collection[str]) -> None:
    """Freeze what `frozen_parts` named, and thaw all else."""
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name not in frozen)
    for name, part in _norms(net):
        part.track_running_stats = name not in frozen


def _norms(net: nn.Module) -> list[tuple[str, _NormBase]]:
    return [(name, part) for name, part in net.named_modules() if isinstance(part, _NormBase)]
