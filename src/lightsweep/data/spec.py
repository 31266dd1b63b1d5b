"""What a data set is made of, told to models and loaders."""

from dataclasses import dataclass
from math import prod

from torch import Tensor


@dataclass(frozen=True)
class Arrays:
    """One split in memory.

    Attributes:
        inputs: `[N, *input_shape]`, uint8 in 0..255 (images) or floating point.
        targets: `[N]`, int64 class indices, or `[N, 1]` floating point for regression.
    """

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def nbytes(self) -> int:
        """Memory that the inputs take, in bytes."""
        return self.inputs.nbytes

    def read(self) -> "Arrays":
        """The split itself: it is in memory."""
        return self

    def __getitem__(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        """A whole batch, for a DataLoader."""
        return self.inputs[indices], self.targets[indices]

    def take(self, indices: Tensor) -> "Arrays":
        """The examples at `indices`, an int64 vector, as a new pair of tensors."""
        return Arrays(self.inputs.index_select(0, indices), self.targets.index_select(0, indices))


@dataclass(frozen=True)
class DataSpec:
    """What a model must fit.

    Attributes:
        input_shape: shape of one example, such as `(1, 28, 28)`.
        num_classes: number of classes, or None for regression on one number.
        class_names: a name for each class, by default its number; empty for regression.
        class_weights: what an example's loss is multiplied by, for each class; None for 1.
    """

    input_shape: tuple[int, ...]
    num_classes: int | None
    class_names: tuple[str, ...] = ()
    class_weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.num_classes is not None and not self.class_names:
            object.__setattr__(self, "class_names", tuple(map(str, range(self.num_classes))))

    @property
    def num_features(self) -> int:
        """Numbers in one example."""
        return prod(self.input_shape)

    def __str__(self) -> str:
        what = "one number" if self.num_classes is None else f"{self.num_classes} classes"
        return f"inputs of shape {self.input_shape} and {what}"
