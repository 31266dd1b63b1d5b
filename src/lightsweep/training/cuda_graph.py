"""A batch's forward pass, loss and gradient as one CUDA graph: a GPU gets them in one launch, not kernel by kernel.

Python takes longer to launch a small network's kernels than the GPU takes to run them. A graph records the launches
once. It repeats them, and nothing that Python decides: so it is chosen by itself only for networks whose parts are
known to decide nothing in Python, and it is recorded anew where weights were moved, frozen or set free, or where a
setting of a part has changed, as a dropout's probability. Hooks are Python's, so there is none where there are some.

Source: https://docs.pytorch.org/docs/stable/notes/cuda.html, "CUDA Graphs"
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lightsweep.errors import ConfigError, lines_of
from lightsweep.models.base import OWN_HOOKS, Model

Gradient = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Puts a batch's gradient into parameters that have none; gives loss and outputs, both without gradient."""

_KNOWN = ("torch.nn.modules.", "torchvision.models.", "torchvision.ops.", "lightsweep.models.")
"""Where parts of networks come from that decide nothing in Python, from one step to the next."""
_PLAIN = (bool, int, float, str, type(None))
_WARM_UPS = 3


class GradientGraph:
    """Repeats the gradient of batches of one size.

    Args:
        gradient: what is recorded.
        net: the network, on a CUDA device; recording changes neither its buffers nor the device's random state.
        parameters: what gets a gradient.
        inputs, targets: a batch as all that follow are: of its shapes and types.

    Raises:
        ConfigError: the network or the loss does what no graph can hold, as reading a number off the device.
    """

    def __init__(
        self, gradient: Gradient, net: nn.Module, parameters: list[Tensor], inputs: Tensor, targets: Tensor
    ) -> None:
        self._net, self._parameters = net, parameters
        self._inputs, self._targets = inputs.clone(), targets.clone()
        self._graph = torch.cuda.CUDAGraph()
        with _undone(net, inputs.device):
            self._warm_up(gradient)
        self._clear_gradients()
        try:
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):  # others may wait for a GPU
                self._loss, self._outputs = gradient(self._inputs, self._targets)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise ConfigError(
                f"`trainer.cuda_graph`: the network's step cannot be recorded ({lines_of(error)[0]}); set it to false"
            ) from error
        self._gradients = [parameter.grad for parameter in parameters]
        self._recorded = recorded(net, parameters)

    def holds(self, parameters: list[Tensor]) -> bool:
        """Whether network and trained parameters still are what was recorded."""
        return self._recorded == recorded(self._net, parameters)

    def __call__(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient of another batch; gives loss and outputs, which stay as they are at the next call."""
        self._inputs.copy_(inputs)
        self._targets.copy_(targets)
        self._graph.replay()
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        return self._loss.clone(), self._outputs.clone()

    def _warm_up(self, gradient: Gradient) -> None:
        """Let libraries set themselves up, which cannot be recorded."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                self._clear_gradients()
                gradient(self._inputs, self._targets)
        torch.cuda.current_stream().wait_stream(stream)

    def _clear_gradients(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None


def recorded(net: nn.Module, parameters: list[Tensor]) -> list[Any]:
    """What a graph keeps as it was: where tensors lie, which have gradients, and the plain settings of all parts."""
    tensors = [(each.data_ptr(), each.requires_grad) for each in (*parameters, *net.parameters(), *net.buffers())]
    return [*tensors, *({k: v for k, v in vars(part).items() if type(v) in _PLAIN} for part in net.modules())]


def is_hooked(net: nn.Module) -> bool:
    """Whether something of Python's is called within a pass, which a graph would leave out."""
    hooks = [
        hook
        for part in net.modules()
        for found in (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks, part._backward_pre_hooks)
        for hook in found.values()
    ]
    on_tensors = (p._backward_hooks or getattr(p, "_post_accumulate_grad_hooks", None) for p in net.parameters())
    return any(hook not in OWN_HOOKS for hook in hooks) or any(on_tensors)


@contextmanager
def _undone(net: nn.Module, device: torch.device) -> Iterator[None]:
    """Put back in place what training passes change: buffers and the device's random state."""
    buffers = [buffer.clone() for buffer in net.buffers()]
    random_state = torch.cuda.get_rng_state(device)
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, before in zip(net.buffers(), buffers, strict=True):
                buffer.copy_(before)
        torch.cuda.set_rng_state(random_state, device)


def resolve(asked: bool | None, model: Model, device: torch.device, obstacle: str | None) -> bool:
    """Whether the gradient is recorded as a graph.

    Args:
        asked: `trainer.cuda_graph`; None: where it can be, and the parts of network and loss are known.
        model: what is trained.
        device: where.
        obstacle: what in how it is trained leaves no place for a graph; None for nothing.

    Raises:
        ConfigError: a graph is asked for where there can be none.
    """
    if device.type != "cuda":
        obstacle = f"the run is on {device.type}"
    elif model.compiled:
        obstacle = "`model.compile` does without one, or makes its own (reduce-overhead)"
    elif is_hooked(model.net):
        obstacle = "the network has hooks, which it would not call"
    if asked and obstacle:
        raise ConfigError(f"`trainer.cuda_graph` must not be true here: {obstacle}")
    return not obstacle and (_is_known(model) if asked is None else asked)


def _is_known(model: Model) -> bool:
    parts = (model.task, model, *model.net.modules())
    counting = any(getattr(part, "momentum", 0.0) is None for part in model.net.modules())  # a mean over all steps
    return not counting and all(f"{type(part).__module__}.".startswith(_KNOWN) for part in parts)
