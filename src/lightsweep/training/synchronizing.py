"""What several processes bring together: after each backward pass, and before somebody looks at the network."""

from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

_Value = TypeVar("_Value")


def gathered(own: _Value, world_size: int) -> list[_Value]:
    """What each of some processes has, by rank. They call this together."""
    found = [own] * world_size
    if world_size > 1:
        torch.distributed.all_gather_object(found, own)
    return found


def running_statistics(net: nn.Module) -> list[Tensor]:
    """The means and variances that normalisation keeps of the batches in training."""
    return [kept for kept in _kept_by_norms(net) if kept.is_floating_point()]


def _kept_by_norms(net: nn.Module) -> Iterator[Tensor]:
    return (kept for part in net.modules() if isinstance(part, _NormBase) for kept in part.buffers(recurse=False))


def bring_together(loss: Tensor, parameters: list[Tensor], statistics: list[Tensor]) -> Tensor:
    """Sum the loss and the gradients of all processes, and average the running statistics, by one message.

    Each process weighs its examples by the global batch, so the sums are the batch's means. A parameter that has a
    gradient on no process keeps none: optimizers leave such a one alone, and would decay one whose gradient is zero.

    Args:
        loss: a scalar without gradient.
        parameters: those whose gradients are not summed already.
        statistics: see `running_statistics`; changed in place.

    Returns:
        The summed loss.
    """
    missing = [index for index, parameter in enumerate(parameters) if parameter.grad is None]
    present = loss.new_ones(len(parameters))
    if missing:
        present[missing] = 0
    grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    tensors = [loss, present, *grads, *statistics]
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    torch.distributed.all_reduce(flat)
    summed, present, *parts = flat.split([tensor.numel() for tensor in tensors])
    for parameter, grad, part in zip(parameters, grads, parts[: len(grads)], strict=True):
        parameter.grad = grad.copy_(part.view_as(grad))  # in its own strides: fused optimizers rely on them
    for statistic, part in zip(statistics, parts[len(grads) :], strict=True):
        statistic.copy_(part.view_as(statistic) / torch.distributed.get_world_size())
    if missing:  # only then, as reading waits for the device
        for index, owners in zip(missing, present[missing].tolist(), strict=True):
            if not owners:
                parameters[index].grad = None
    return summed.reshape(())


def buffers_by_rank(module: nn.Module) -> list[dict[str, Tensor]]:
    """The saved buffers of each process by their names, but what `bring_together` keeps equal. They call this together.

    A buffer that the network writes in training follows each process's own examples until `share_buffers`.
    """
    equal = set(map(id, _kept_by_norms(module)))
    saved = module.state_dict().keys()
    own = {name: b.cpu() for name, b in module.named_buffers() if name in saved and id(b) not in equal}
    return gathered(own, torch.distributed.get_world_size()) if own else []


def share_buffers(module: nn.Module) -> None:
    """Give all processes the first one's buffers. They call this together."""
    for buffer in module.buffers():
        shared = buffer.contiguous()
        torch.distributed.broadcast(shared.reshape(-1).view(torch.uint8), 0)  # gloo knows few types
        if shared is not buffer and not torch.equal(shared, buffer):
            buffer.copy_(shared)
