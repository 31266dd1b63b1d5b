"""What a DataModule gives, held against what it says of it: once, when it is read."""

from typing import Any

import torch
from torch import Tensor

from lightsweep.data.files import ImageFiles
from lightsweep.data.spec import Arrays, DataSpec
from lightsweep.errors import DataError


def fitting(given: Any, spec: DataSpec | None, dtype: torch.dtype, source: str) -> Arrays | ImageFiles:
    """A split as training takes it: classes are int64, numbers to be predicted are `dtype`.

    Args:
        given: what a subclass's `load_train` or `load_test` gave.
        spec: what it must be.
        dtype: that of the weights, which must hold all numbers.
        source: who gave it, for messages.

    Raises:
        DataError: it is neither, is empty, does not fit the spec, or holds numbers that are not finite; or the spec has
            names for more or fewer classes than there are.
    """
    if not isinstance(spec, DataSpec):
        raise DataError(f"`{source}`: `spec` must be a DataSpec but is {type(spec).__name__}")
    if not isinstance(spec.input_shape, (tuple, list)) or not isinstance(spec.num_classes, (int, type(None))):
        raise DataError(
            f"`{source}`: `spec` must have a tuple, as (1, 28, 28), and a number of classes or None but has "
            f"{spec.input_shape!r} and {spec.num_classes!r}"
        )
    if spec.num_classes is not None and len(spec.class_names) != spec.num_classes:
        raise DataError(
            f"`{source}`: `spec.class_names` must be {spec.num_classes} names, one for each class, "
            f"but got {len(spec.class_names)}"
        )
    if not isinstance(given, (Arrays, ImageFiles)):
        raise DataError(f"`{source}` must give Arrays(inputs, targets) or ImageFiles but gave {type(given).__name__}")
    if isinstance(given, ImageFiles):
        shape: tuple[int, ...] = (len(given.paths), *given.framing.shape)
    else:
        given = Arrays(_tensor(given.inputs, "inputs", source), given.targets)
        shape = tuple(given.inputs.shape)
    if not shape or shape[1:] != tuple(spec.input_shape):
        wanted = ", ".join(map(str, spec.input_shape))
        raise DataError(f"`{source}` must give inputs of shape (N, {wanted}), as `spec` says, but gave {shape}")
    targets = _targets(given.targets, shape[0], spec, dtype, source)
    if isinstance(given, ImageFiles):
        return ImageFiles(given.paths, targets, given.framing)
    _refuse_infinite(given.inputs, dtype, "inputs", source)
    return Arrays(given.inputs, targets)


def _targets(given: Any, count: int, spec: DataSpec, dtype: torch.dtype, source: str) -> Tensor:
    targets = _tensor(given, "targets", source)
    regression = spec.num_classes is None
    if targets.dim() != 1 + regression or (regression and targets.shape[1] != 1):
        what = "numbers of shape (N, 1)" if regression else "classes of shape (N,)"
        raise DataError(f"`{source}` must give targets that are {what} but gave {tuple(targets.shape)}")
    if len(targets) != count:
        raise DataError(
            f"`{source}` must give as many targets as inputs but gave {count} inputs, {len(targets)} targets"
        )
    if not count:
        raise DataError(f"`{source}` gave no examples")
    if spec.num_classes is None:
        _refuse_infinite(targets, dtype, "targets", source)
        return targets.to(dtype)
    if targets.is_floating_point() or targets.is_complex():
        raise DataError(f"`{source}` must give targets that are classes, of type torch.int64, but gave {targets.dtype}")
    targets = targets.long()
    lowest, highest = int(targets.min()), int(targets.max())
    if lowest < 0 or highest >= spec.num_classes:
        raise DataError(
            f"`{source}` must give targets in 0..{spec.num_classes - 1}, as `spec` says, but gave {lowest}..{highest}"
        )
    return targets


def _tensor(given: Any, what: str, source: str) -> Tensor:
    if not isinstance(given, Tensor):
        raise DataError(f"`{source}` must give {what} as a tensor but gave {type(given).__name__}")
    if given.layout != torch.strided:
        raise DataError(f"`{source}` must give {what} as a dense tensor but gave one of layout {given.layout}")
    return given.detach()  # what a network of theirs made would be trained through, anew by each batch


def _refuse_infinite(numbers: Tensor, dtype: torch.dtype, what: str, source: str) -> None:
    """By the smallest and the largest, which takes no memory of the split's size; both are NaN where one number is."""
    if numbers.is_complex():
        raise DataError(f"`{source}` must give {what} that are real numbers but gave {numbers.dtype}")
    if not numbers.is_floating_point() or not numbers.numel():
        return
    lowest, highest = (float(end) for end in numbers.aminmax())
    largest = torch.finfo(dtype).max
    if not (lowest >= -largest and highest <= largest):
        raise DataError(
            f"`{source}` must give {what} that are finite, as {dtype} too, but they lie in {lowest:g}..{highest:g}"
        )
