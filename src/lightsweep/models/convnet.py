"""The article's ConvNet, and deeper ones of its kind: convolutions with pooling, then one linear layer."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from lightsweep.data.spec import DataSpec
from lightsweep.errors import ConfigError
from lightsweep.models.base import Model, need, task_for


class ConvNet(Model):
    """A convolution, 2 × 2 max pooling and ReLU for each number of filters; then a linear layer (article, section 5).

    The maximum is taken before the ReLU: max(relu(x)) = relu(max(x)), and so is the gradient, at a quarter of the
    ReLU's work. The images' sides are padded, so that pooling alone shrinks them.

    Args:
        spec: the data; an example must be `[C, H, W]`.
        filters: filters of each convolution. A list in a number's place stands for several convolutions with one
            pooling, after the last of them; each has a ReLU.
        kernel_size: height and width of a filter, in pixels; odd.
        batch_norm: normalise each convolution's output over the batch, before its ReLU and, for a quarter of the work,
            after its pooling.
        dropout: probability that an input of the linear layer is zeroed in training.
        label_smoothing: share of the target's mass spread over all classes.
        options: see `Model`.
    """

    def __init__(
        self,
        spec: DataSpec,
        filters: Sequence[int | Sequence[int]],
        kernel_size: int = 3,
        batch_norm: bool = False,
        dropout: float = 0.0,
        label_smoothing: float = 0.0,
        **options: Any,
    ) -> None:
        need(len(spec.input_shape) == 3, "convnet", "images [C, H, W]", spec)
        task = task_for(spec, label_smoothing)
        channels, height, width = spec.input_shape
        if kernel_size % 2 == 0:
            raise ConfigError(f"`model.kernel_size` must be odd but got {kernel_size}")
        if min(height, width) < 2 ** len(filters):
            raise ConfigError(
                f"`model.filters` has {len(filters)} poolings, and each halves the image, "
                f"but {height} × {width} pixels have not as many halves"
            )
        layers: list[nn.Module] = []
        for stage in ([stage] if isinstance(stage, int) else stage for stage in filters):
            for index, count in enumerate(stage, start=1):
                layers.append(nn.Conv2d(channels, count, kernel_size, padding=kernel_size // 2, bias=not batch_norm))
                layers.extend([nn.MaxPool2d(2)] if index == len(stage) else [])
                layers.extend([nn.BatchNorm2d(count)] if batch_norm else [])
                layers.append(nn.ReLU())
                channels = count
            height, width = height // 2, width // 2
        layers.append(nn.Flatten())
        layers.extend([nn.Dropout(dropout)] if dropout else [])
        layers.append(nn.Linear(channels * height * width, task.num_outputs(spec)))
        super().__init__(spec, nn.Sequential(*layers), task, **options)
