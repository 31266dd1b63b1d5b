"""A multilayer perceptron: linear layers with ReLU between them."""

from itertools import pairwise
from typing import Any

from torch import nn

from lightsweep.data.spec import DataSpec
from lightsweep.models.base import Model, task_for


class MLP(Model):
    """Hidden layers of given widths, then one linear layer; for classes or for one number.

    Args:
        spec: the data.
        widths: units of each hidden layer.
        batch_norm: normalise each hidden layer over the batch, before its ReLU.
        dropout: probability that a hidden unit is zeroed in training.
        label_smoothing: share of the target's mass spread over all classes.
        options: see `Model`.
    """

    def __init__(
        self,
        spec: DataSpec,
        widths: list[int],
        batch_norm: bool = False,
        dropout: float = 0.0,
        label_smoothing: float = 0.0,
        **options: Any,
    ) -> None:
        task = task_for(spec, label_smoothing)
        layers: list[nn.Module] = [nn.Flatten()]
        for size, width in pairwise([spec.num_features, *widths]):
            layers.append(nn.Linear(size, width))
            layers.extend([nn.BatchNorm1d(width)] if batch_norm else [])
            layers.append(nn.ReLU())
            layers.extend([nn.Dropout(dropout)] if dropout else [])
        layers.append(nn.Linear([spec.num_features, *widths][-1], task.num_outputs(spec)))
        super().__init__(spec, nn.Sequential(*layers), task, **options)
