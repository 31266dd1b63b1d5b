"""P(y = 1) = σ(wᵀx + b) trained on binary cross entropy."""

from typing import Any

from torch import nn

from lightsweep.data.spec import DataSpec
from lightsweep.models.base import Model, need
from lightsweep.models.tasks import Binary


class LogisticRegression(Model):
    """Logistic regression between two classes (the article's section 2).

    Args:
        spec: the data; it must have two classes.
        label_smoothing: moves each target towards 1/2.
        options: see `Model`.
    """

    def __init__(self, spec: DataSpec, label_smoothing: float = 0.0, **options: Any) -> None:
        need(spec.num_classes == 2, "logistic_regression", "two classes (data=mnist_binary, say)", spec)
        net = nn.Sequential(nn.Flatten(), nn.Linear(spec.num_features, 1))
        super().__init__(spec, net, Binary(label_smoothing, spec.class_weights), **options)
