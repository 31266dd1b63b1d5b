"""What a network is trained for: its loss, and how many of its outputs are right. Pure functions of tensors."""

from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from lightsweep.data.spec import DataSpec


class Task(Protocol):
    """The loss and the count of a kind of prediction."""

    @property
    def counts(self) -> bool:
        """Whether `correct` means anything, so that there is an accuracy; an attribute of the class or the object."""
        ...

    def num_outputs(self, spec: DataSpec) -> int:
        """Numbers that the network gives for one example."""
        ...

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean loss over a batch, a scalar."""
        ...

    def correct(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Number of right predictions in a batch, an int64 scalar."""
        ...


@dataclass(frozen=True)
class Regression:
    """One real number: J = 1/(2N) Σ(ŷ − y)², the article's section on linear regression.

    Outputs and targets are `[B, 1]` floating point.
    """

    counts: ClassVar[bool] = False

    def num_outputs(self, spec: DataSpec) -> int:
        """One."""
        return 1

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Half the mean squared error."""
        return 0.5 * F.mse_loss(outputs, targets)

    def correct(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Zero: nothing is counted."""
        return torch.zeros((), dtype=torch.int64, device=outputs.device)


@dataclass(frozen=True)
class Binary:
    """Two classes by one logit: J = −1/N Σ[y log σ(z) + (1 − y) log(1 − σ(z))], the section on logistic regression.

    Outputs are logits `[B, 1]`, targets int64 `[B]` in {0, 1}.
    """

    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None
    counts: ClassVar[bool] = True

    def num_outputs(self, spec: DataSpec) -> int:
        """One logit, of class 1."""
        return 1

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Binary cross entropy; smoothing moves each target towards 1/2. Weighed as `Multiclass` is."""
        wanted = targets.to(outputs.dtype)
        if self.label_smoothing:
            wanted = wanted * (1 - self.label_smoothing) + self.label_smoothing / 2
        weights = None
        if self.class_weights is not None:
            weights = _on_device(self.class_weights, wanted.dtype, wanted.device)[targets]
        return F.binary_cross_entropy_with_logits(outputs.squeeze(1), wanted, weights)

    def correct(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Class 1 is predicted where the logit is positive."""
        return ((outputs.squeeze(1) > 0) == targets).sum()


@dataclass(frozen=True)
class Multiclass:
    """One logit a class: J = −1/N Σ log softmax(z)_y, the section on softmax regression.

    Outputs are logits `[B, K]`, targets int64 `[B]` in 0..K−1.
    """

    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None
    counts: ClassVar[bool] = True

    def num_outputs(self, spec: DataSpec) -> int:
        """One logit for each class."""
        assert spec.num_classes is not None
        return spec.num_classes

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross entropy in the outputs' precision; with class weights the mean of `w[y] · loss`.

        It is divided by the number of examples, not by the sum of their weights as torch's mean has it: then the mean
        over several batches, or over the processes of a global batch, is the mean over all their examples.
        """
        if self.class_weights is None:
            return F.cross_entropy(outputs, targets, label_smoothing=self.label_smoothing)
        weights = _on_device(self.class_weights, outputs.dtype, outputs.device)
        if not self.label_smoothing:
            return F.cross_entropy(outputs, targets, weights, reduction="sum") / len(targets)
        # torch would weigh each class's part of the smoothed target, and not the example
        losses = F.cross_entropy(outputs, targets, label_smoothing=self.label_smoothing, reduction="none")
        return (losses * weights[targets]).mean()

    def correct(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The largest logit is the prediction."""
        return (outputs.argmax(1) == targets).sum()


_LOSSES: dict[object, str] = {
    Regression.loss: "half the squared error",
    Binary.loss: "cross entropy",  # the same number as two logits of two classes give
    Multiclass.loss: "cross entropy",
}


def kind_of_loss(task: Task, class_weights: str | None = None) -> str:
    """What a task's loss is, so that it is compared with no other: `cross entropy label_smoothing=0.1`.

    A loss that is not ours goes by its task's class, and by the switches, numbers and texts that the task holds.

    Args:
        task: the task.
        class_weights: in a word how the task's were found: their numbers differ with the split.
    """
    ours = _LOSSES.get(getattr(type(task), "loss", None))
    held = {name: value for name, value in getattr(task, "__dict__", {}).items() if _plain(value) and name[0] != "_"}
    if ours:
        held = {name: value for name, value in held.items() if name == "label_smoothing" and value}
    words = [f"{name}={_plain(value)}" for name, value in held.items() if name not in ("class_weights", "training")]
    weights = getattr(task, "class_weights", None)
    if weights is not None:
        words.append(f"class_weights={class_weights or _plain(weights)}")
    return " ".join([ours or f"{type(task).__module__}.{type(task).__qualname__}", *words])


def _plain(value: object) -> str:
    """A switch, a number, a text or several of these, briefly; empty for all else."""
    if isinstance(value, tuple | list):
        parts = [_plain(part) for part in value]
        return f"[{', '.join(parts)}]" if all(parts) else ""
    if isinstance(value, bool | str):
        return str(value)
    return f"{value:.6g}" if isinstance(value, int | float) else ""


def class_probabilities(outputs: Tensor) -> Tensor:
    """`[B, K]` in [0, 1], each row summing to 1, of logits `[B, K]`; of logits `[B, 1]` of class 1 of two, `[B, 2]`."""
    if outputs.shape[1] == 1:
        return torch.cat([-outputs, outputs], 1).sigmoid()  # 1 - sigmoid would round a small chance to 0
    return outputs.softmax(1)


def precise(device: torch.device) -> torch.dtype:
    """The type for sums over a whole split: float64, except on MPS, which has none."""
    return torch.float32 if device.type == "mps" else torch.float64


@cache
def _on_device(weights: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Weights as a tensor, made once: to bring them to a GPU is to wait for it."""
    with torch.inference_mode(False):  # else training could not use what a validation has made
        return torch.tensor(weights, dtype=dtype, device=device)
