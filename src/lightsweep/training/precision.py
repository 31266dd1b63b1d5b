"""Resolves `trainer.precision`, and turns a precision into the types of weights and arithmetic."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.optim import LBFGS, Optimizer

from lightsweep.errors import ConfigError
from lightsweep.models.base import Model
from lightsweep.models.tasks import precise


def resolve(precision: str, model: Model, device: torch.device) -> str:
    """`bf16-mixed` where the model has convolutions and the device native bf16 units, else `32-true`.

    `tf32` is `32-true` on a device that has no such units. Any other precision is given back as it is.

    Raises:
        ConfigError: float64 on a device that has none, or float16 on one for which it was not tried.
    """
    if precision == "16-mixed" and device.type not in ("cpu", "cuda"):
        raise ConfigError(f"`trainer.precision` must not be 16-mixed on {device.type}: set it to 32-true")
    if weight_dtype(precision) == torch.float64 != precise(device):
        raise ConfigError(
            f"`trainer.precision` must not be 64-true on {device.type}, which has no float64: set it to 32-true, or "
            "trainer.accelerator=cpu"
        )
    if precision == "tf32" and not _is_ampere(device):
        return "32-true"
    if precision != "auto":
        return precision
    return "bf16-mixed" if model.has_convolutions and has_native_bf16(device) else "32-true"


def has_native_bf16(device: torch.device) -> bool:
    """Whether a device multiplies bf16 matrices in hardware: AMX or AVX512-BF16 on a CPU, Ampere or newer on CUDA."""
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return _is_ampere(device)


def _is_ampere(device: torch.device) -> bool:
    """Whether a device is an Ampere GPU or newer, with units for bf16 and TF32."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 8


def weight_dtype(precision: str) -> torch.dtype:
    """Type of weights and inputs."""
    return torch.float64 if precision == "64-true" else torch.float32


def cast(model: Model, dtype: torch.dtype) -> bool:
    """Give real weights and buffers a type, and complex ones that of two such numbers; tells whether one had another.

    Integers keep theirs.
    """
    before = [tensor.dtype for tensor in _tensors(model)]
    if dtype == torch.float64:
        model.double()
    else:
        model.float()  # to() would make real numbers of complex ones
    for tensor in _tensors(model):
        if tensor.is_complex():
            tensor.data = tensor.data.to(dtype.to_complex())
    return before != [tensor.dtype for tensor in _tensors(model)]


def _tensors(model: Model) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]


def autocast_dtype(precision: str) -> torch.dtype | None:
    """Type of the matrix arithmetic, where it differs from the weights'."""
    return {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(precision)


def loss_scaler(
    precision: str, optimizers: Sequence[Optimizer], sharded: bool, device: torch.device
) -> GradScaler | None:
    """What scales the loss of float16, in which small gradients would be zero; None for other precisions.

    Micikevicius et al., Mixed Precision Training (2018). A step whose gradient overflows is left out, and counts.

    Raises:
        ConfigError: the optimizer evaluates the loss itself, or the parameters are cut up.
    """
    if precision != "16-mixed":
        return None
    if sharded or isinstance(optimizers[0], LBFGS):
        what = "trainer.strategy=fsdp" if sharded else "LBFGS"
        raise ConfigError(f"`trainer.precision` must not be 16-mixed with {what}: set it to bf16-mixed or 32-true")
    for optimizer in optimizers:
        optimizer._opt_called = True  # type: ignore[attr-defined]  # else schedules warn where the first step is left out
    return GradScaler(device.type)
