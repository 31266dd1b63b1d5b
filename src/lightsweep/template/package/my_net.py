"""A network of your own: any nn.Module that maps `[B, *input_shape]` to one logit a class."""

from lightsweep.data import DataSpec
from torch import nn


class MyNet(nn.Sequential):
    """One hidden layer.

    Args:
        spec: what the data are like; a network that does not ask for it is not given it.
        width: units of the hidden layer.
    """

    def __init__(self, spec: DataSpec, width: int = 64) -> None:
        outputs = spec.num_classes or 1
        super().__init__(nn.Flatten(), nn.Linear(spec.num_features, width), nn.ReLU(), nn.Linear(width, outputs))
