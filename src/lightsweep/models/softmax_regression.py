"""P(y = k) = softmax(Wx + b)ₖ trained on cross entropy."""

from typing import Any

from torch import nn

from lightsweep.data.spec import DataSpec
from lightsweep.models.base import Model, need
from lightsweep.models.tasks import Multiclass


class SoftmaxRegression(Model):
    """Softmax regression over any number of classes (the article's section 3).

    Args:
        spec: the data; it must have classes.
        label_smoothing: share of the target's mass spread over all classes.
        options: see `Model`.
    """

    def __init__(self, spec: DataSpec, label_smoothing: float = 0.0, **options: Any) -> None:
        need(spec.num_classes is not None, "softmax_regression", "classes", spec)
        net = nn.Sequential(nn.Flatten(), nn.Linear(spec.num_features, spec.num_classes or 0))
        super().__init__(spec, net, Multiclass(label_smoothing, spec.class_weights), **options)
