"""ŷ = θ₀ + θ₁x₁ + … trained on half the mean squared error."""

from typing import Any

from torch import nn

from lightsweep.data.spec import DataSpec
from lightsweep.models.base import Model, need
from lightsweep.models.tasks import Regression


class LinearRegression(Model):
    """Linear regression on one number (the article's section 1).

    Args:
        spec: the data; its targets must be numbers.
        options: see `Model`.
    """

    def __init__(self, spec: DataSpec, **options: Any) -> None:
        need(spec.num_classes is None, "linear_regression", "a number as target", spec)
        super().__init__(spec, nn.Sequential(nn.Flatten(), nn.Linear(spec.num_features, 1)), Regression(), **options)
