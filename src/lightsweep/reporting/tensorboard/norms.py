"""How large a network's weights and gradients are, as numbers and as histograms; each read off the device in one go.

Of a network that is cut up, all processes ask together.
"""

import math

import torch
from torch import Tensor, nn
from torch.utils.tensorboard.summary import histogram_raw

from lightsweep.reporting.tensorboard.events import Value
from lightsweep.training.sharding import whole

BINS = 30


def norms(net: nn.Module) -> dict[str, float]:
    """Euclidean norms of all weights and all gradients together, and of each parameter.

    The gradients are those of the newest step, after clipping. Parameters that are not trained or have no gradient
    are left out.

    Returns:
        `norm/weights`, `norm/gradient`, and `norm_weights/<name>`, `norm_gradient/<name>` for each parameter.
    """
    tensors = {"weights": _weights(net), "gradient": _gradients(net)}
    sizes = [size for found in tensors.values() for size in _norms(list(found.values()))]
    values = whole(torch.stack(sizes)).tolist() if sizes else []
    result: dict[str, float] = {}
    for kind, found in tensors.items():
        own, values = values[: len(found)], values[len(found) :]
        if found:
            result[f"norm/{kind}"] = math.hypot(*own)
            result |= {f"norm_{kind}/{name}": value for name, value in zip(found, own, strict=True)}
    return result


def histograms(net: nn.Module) -> list[Value]:
    """Weights and gradients of each parameter in 30 bins, see `as_real`; values that are not finite are left out."""
    tensors = {f"weights/{name}": tensor for name, tensor in _weights(net).items()}
    tensors |= {f"gradient/{name}": tensor for name, tensor in _gradients(net).items()}
    return [value for tag, tensor in tensors.items() if (value := _histogram(tag, tensor)) is not None]


def as_real(tensor: Tensor) -> Tensor:
    """A tensor's numbers in float32; of complex ones the absolute values."""
    return (tensor.abs() if tensor.is_complex() else tensor).float()


def _histogram(tag: str, tensor: Tensor) -> Value | None:
    values = as_real(whole(tensor)).flatten().cpu()  # a GPU's histc is not deterministic
    values = values[values.isfinite()]
    if not len(values):
        return None
    low, high, total, squares = torch.stack([values.min(), values.max(), values.sum(), values.square().sum()]).tolist()
    counts = torch.histc(values, BINS, low, high).tolist()
    ends = [low + (high - low) / BINS * (index + 1) for index in range(BINS)]
    return histogram_raw(tag, low, high, sum(counts), total, squares, ends, counts).value[0]


def _weights(net: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach() for name, p in net.named_parameters() if p.requires_grad}


def _gradients(net: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad for name, p in net.named_parameters() if p.requires_grad and p.grad is not None}


def _norms(tensors: list[Tensor]) -> list[Tensor]:
    return list(torch._foreach_norm(tensors)) if tensors else []  # as clip_grad_norm_ does: one kernel for all
