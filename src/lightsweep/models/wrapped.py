"""Any nn.Module, trained without a LightningModule of its own."""

from typing import Any

from torch import nn

from lightsweep.data.spec import DataSpec
from lightsweep.models.base import Model, task_for


class Wrapped(Model):
    """A network that was written elsewhere, on the data set's usual task.

    Named by its own class in one YAML (`_target_: my_package.MyNet`), a network is wrapped in this by itself.

    Args:
        spec: the data.
        net: maps `[B, *input_shape]` to one logit a class `[B, K]`, or to `[B, 1]` for regression.
        label_smoothing: share of the target's mass spread over all classes.
        options: see `Model`.
    """

    def __init__(self, spec: DataSpec, net: nn.Module, label_smoothing: float = 0.0, **options: Any) -> None:
        super().__init__(spec, net, task_for(spec, label_smoothing), **options)

    def network_name(self) -> str:
        """That of its own class."""
        return type(self.net).__name__
