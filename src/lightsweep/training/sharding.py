"""FSDP: each process holds a part of every parameter, of its gradient and of its optimizer state.

By torch's `fully_shard` (FSDP2) inside Lightning's DDP strategy, which starts the processes and joins them; Lightning's
own FSDP strategy wants a GPU. A checkpoint holds whole tensors, so it is one process's checkpoint in every respect.

Source: https://docs.pytorch.org/docs/stable/distributed.fsdp.fully_shard.html
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import LBFGS, Optimizer

from lightsweep.errors import ConfigError, lines_of
from lightsweep.models import Model


class Sharded(DDPStrategy):
    """Lightning's strategy for `trainer.strategy=fsdp`.

    In a fit the network is cut up before it moves to the device, and the optimizers, which were built for the whole
    one, are handed the parts. It stays cut up for the test after the fit. A run that is only evaluated is never cut up.
    """

    def setup(self, trainer: Trainer) -> None:
        """Cut up for a fit; else there is nothing to synchronise, as every process loads the same checkpoint."""
        if trainer.state.fn == TrainerFn.FITTING:
            super().setup(trainer)
            return
        assert self.accelerator is not None
        self.accelerator.setup(trainer)
        assert self.lightning_module is not None
        if not any(isinstance(part, FSDPModule) for part in self.lightning_module.modules()):
            self.model_to_device()
        self.setup_precision_plugin()

    def model_to_device(self) -> None:
        """Move what is not cut up; what is cut up is moved part by part, so no device ever holds the whole network."""
        model = self.lightning_module
        assert isinstance(model, Model)
        if model.trainer.state.fn == TrainerFn.FITTING:
            assert model.stepper is not None
            optimizers = model.stepper.optimizers
            mesh = init_device_mesh(self.root_device.type, (self.world_size,))
            for net in (model.net, getattr(model.ema, "module", None)):
                if net is not None:
                    shard(net, mesh, optimizers)
        super().model_to_device()

    def teardown(self) -> None:
        """End all but the network and the optimizers, whose parts cannot be moved off the device any more."""
        for part in (self.cluster_environment, self.precision_plugin, self.accelerator, self.checkpoint_io):
            assert part is not None
            part.teardown()

    def configure_ddp(self) -> None:
        """Wrap nothing."""

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """The whole weights, on the first process alone."""
        return self._collected(super().lightning_module_state_dict())

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """The whole state of an optimizer, on the first process alone."""
        return self._collected(super().optimizer_state(optimizer))

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Take up whole weights."""
        assert self.lightning_module is not None
        load_weights(self.lightning_module, checkpoint["state_dict"])

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Take up whole optimizer states."""
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            parts = {
                index: {name: part_of(value, parameters[index]) for name, value in values.items()}
                for index, values in state["state"].items()
            }
            groups = [
                {**saved, "fused": own["fused"]} if "fused" in own else saved  # parts take no fused step
                for saved, own in zip(state["param_groups"], optimizer.param_groups, strict=True)
            ]
            optimizer.load_state_dict({"state": parts, "param_groups": groups})

    def _collected(self, tree: Any) -> Any:
        """A tree with its tensors whole and on the CPU; one after the other, and others than the first keep none."""
        if isinstance(tree, dict):
            return {key: self._collected(value) for key, value in tree.items()}
        if not isinstance(tree, DTensor):
            return tree
        found = whole(tree)
        if not self.is_global_zero:
            return None
        return found.cpu().contiguous(memory_format=self._memory_format(found))

    def _memory_format(self, tensor: Tensor) -> torch.memory_format:
        """How one process would hold it: fused optimizers want a state in its parameter's strides."""
        model = self.lightning_module
        channels_last = isinstance(model, Model) and model.channels_last and tensor.dim() == 4
        return torch.channels_last if channels_last else torch.contiguous_format


def shard(net: nn.Module, mesh: DeviceMesh, optimizers: list[Optimizer]) -> None:
    """Cut up a network, block by block, and put the parts into optimizers in their parameters' place.

    The gradients of all processes are summed, not averaged: the stepper weighs each by its share of the global batch.
    """
    net.to(memory_format=torch.contiguous_format)  # `fully_shard` takes no other
    before: dict[str, Tensor] = dict(net.named_parameters())
    for part in [*blocks(net), net]:
        try:
            cut: FSDPModule = fully_shard(part, mesh=mesh)
        except (ValueError, NotImplementedError) as error:
            reason = lines_of(error)[0]
            raise ConfigError(f"`trainer.strategy=fsdp` cannot cut up {type(part).__name__}: {reason}") from error
        cut.set_gradient_divide_factor(1.0)
        cut.set_force_sum_reduction_for_comms(True)  # gloo has no multiplication before the sum
    after = {before[name]: p for name, p in net.named_parameters()}
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["params"] = [after.get(p, p) for p in group["params"]]
        for old in [p for p in optimizer.state if p in after]:  # Adagrad begins with a state
            state = optimizer.state.pop(old)
            optimizer.state[after[old]] = {name: part_of(value, after[old]) for name, value in state.items()}


def blocks(net: nn.Module) -> Iterator[nn.Module]:
    """The network's children that are gathered one at a time; none where some share a parameter: it must stay one."""
    found = [block for block in _called(net) if any(True for _ in block.parameters())]
    owners = Counter(p for block in found for p in block.parameters())
    if not owners or max(owners.values()) == 1:
        yield from found


def _called(net: nn.Module) -> Iterator[nn.Module]:
    """The children that have a `forward`, those in lists too: without one nothing says when to gather."""
    for child in net.children():
        if isinstance(child, nn.ModuleList | nn.ModuleDict):
            yield from _called(child)
        elif not isinstance(child, nn.ParameterList | nn.ParameterDict):  # the network itself gathers these
            yield child


def whole(tensor: Tensor) -> Tensor:
    """A tensor as it would be if it were not cut up. All processes call this together."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def part_of(value: Any, like: Tensor) -> Any:
    """This process's part of a whole tensor of a cut-up parameter's shape; anything else as it is."""
    if not isinstance(like, DTensor) or not isinstance(value, Tensor) or value.shape != like.shape:
        return value
    there = value.to(like.device).contiguous()
    return distribute_tensor(there, like.device_mesh, like.placements, src_data_rank=None)


def load_weights(model: nn.Module, weights: Mapping[str, Any]) -> None:
    """`load_state_dict` of whole weights into a network that may be cut up.

    Raises:
        RuntimeError: they do not fit.
    """
    own = model.state_dict()
    model.load_state_dict(
        {name: part_of(value, own[name]) if name in own else value for name, value in weights.items()}
    )


def refuse_unsharded(optimizers: list[Optimizer], sizes: list[int], world_size: int) -> None:
    """Raise ConfigError for what cannot be trained in parts."""
    if isinstance(optimizers[0], LBFGS):
        raise ConfigError("`optimizer=lbfgs` needs whole gradients: use trainer.strategy=ddp, or another optimizer")
    if min(sizes) < world_size:
        raise ConfigError(
            f"`trainer.strategy=fsdp` needs an example of each batch for each of {world_size} processes, "
            f"but a batch has {min(sizes)}: choose another data.batch_size, or limit trainer.limit_train_batches"
        )
