"""Networks of torchvision's, by their names."""

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn
from torchvision import models

from lightsweep.config.nearest import nearest
from lightsweep.data.spec import DataSpec
from lightsweep.errors import ConfigError, one_line
from lightsweep.models.base import Model, coloured_inputs, need, task_for

_INCEPTION = {"aux_logits": False, "init_weights": True}
"""Of GoogLeNet and Inception v3: in training one output too, and weights drawn as ever, without a warning."""

_MOBILENET_V3 = ("width_mult", "reduced_tail", "dilated")
"""What its functions take beside what the class does."""


class TorchvisionNet(Model):
    """A network of torchvision's for classifying images, its weights drawn anew, with as many outputs as are needed.

    Gray images are given to it as three equal channels. Most are made for images of 224 × 224 pixels: of small ones
    their first layers leave little.

    Args:
        spec: the data; an example must be `[1, H, W]` or `[3, H, W]`.
        name: as torchvision's, such as `resnet18`, `mobilenet_v3_small` or `vit_b_16`.
        arguments: of the network itself, such as `{dropout: 0.1}` or, of `vit_b_16`, `{image_size: 64}`; null: none.
        label_smoothing: share of the target's mass spread over all classes.
        options: see `Model`.

    Raises:
        ConfigError: torchvision has no such network for classifying, or it does not take the arguments or the images.
    """

    def __init__(
        self,
        spec: DataSpec,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        label_smoothing: float = 0.0,
        **options: Any,
    ) -> None:
        images = len(spec.input_shape) == 3 and spec.input_shape[0] in (1, 3)
        need(images, "torchvision", "images of 1 or 3 channels", spec)
        task = task_for(spec, label_smoothing)
        net = _made(name, task.num_outputs(spec), dict(arguments or {}))
        self._name = name
        if spec.input_shape[0] == 1:
            net.register_forward_pre_hook(coloured_inputs)
        super().__init__(spec, net, task, **options)

    def network_name(self) -> str:
        """As torchvision calls it."""
        return self._name

    def wanted_inputs(self) -> str:
        """The smallest size that torchvision states; a vision transformer takes the one alone that it was made for."""
        height, width = min(weights.meta["min_size"] for weights in models.get_model_weights(self._name))
        told = f"; torchvision states {height} × {width} pixels: data.size=[{height},{width}], where `data` has it"
        return told + ", or another by +model.arguments.image_size" * self._name.startswith("vit")


def _made(name: str, num_outputs: int, arguments: dict[str, Any]) -> nn.Module:
    known = models.list_models(models)
    if name not in known:
        raise ConfigError(f"`model.name`: torchvision has no {name!r} for classifying{nearest(name, known)}")
    if name in ("googlenet", "inception_v3"):
        arguments = _INCEPTION | arguments
    try:
        net = models.get_model(name, weights=None, num_classes=num_outputs, **arguments)
    except (TypeError, ValueError, AssertionError) as error:
        raise ConfigError(f"`model.arguments`: torchvision's {name} cannot be built: {one_line(error)}") from error
    taken = {*inspect.signature(type(net)).parameters, *_MOBILENET_V3}
    for key in arguments.keys() - taken:  # which MobileNet v3 and ConvNeXt pass over
        raise ConfigError(f"`model.arguments`: torchvision's {name} takes no {key!r}{nearest(key, taken)}")
    return net
