"""The model of a run: built as the configuration says, refused where it cannot be trained, and averaged."""

import copy
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from lightning.pytorch import LightningModule
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lightsweep.config import instantiate
from lightsweep.config.targets import parameters_of
from lightsweep.data import ArrayDataModule, DataSpec
from lightsweep.errors import ConfigError, lines_of
from lightsweep.models import Model, Wrapped
from lightsweep.screen import many
from lightsweep.training import precision
from lightsweep.training.callbacks import NEVER_CALLED
from lightsweep.training.plain_data import is_loadable


def build_model(cfg: DictConfig, spec: DataSpec) -> Model:
    """The model, with weights drawn from torch's default generator; a bare nn.Module is wrapped."""
    given = {"spec": spec} if "spec" in parameters_of(cfg.model._target_, cfg.trust) else {}
    found = instantiate(cfg.model, trust=cfg.trust, **given)
    if isinstance(found, LightningModule) and not isinstance(found, Model):
        raise ConfigError(
            f"`model`: `{cfg.model._target_}` is a LightningModule, which is not trained as it is: give its network, "
            "an nn.Module, or make it a subclass of lightsweep.models.Model"
        )
    if isinstance(found, nn.Module) and not isinstance(found, Model):
        found = Wrapped(spec, found)
    if not isinstance(found, Model):
        raise ConfigError(f"`model` must be an nn.Module or a lightsweep Model but `{cfg.model._target_}` is neither")
    if precision.cast(found, precision.weight_dtype(cfg.trainer.precision)):
        eager = torch.compiler.set_stance("force_eager") if found.compiled else nullcontext()
        with eager:  # it is to be compiled for its batches
            found.check_outputs()  # its own code may give tensors the type that its weights had
    _refuse_own_step(found)
    _refuse_extra_state(found.net)
    return found


_WITHOUT_EFFECT = (
    "configure_optimizers", "optimizer_step", "optimizer_zero_grad", "backward", "configure_gradient_clipping",
    "lr_scheduler_step", *NEVER_CALLED,
)  # fmt: skip
"""What Lightning's own training step calls of a module."""


def _refuse_own_step(model: Model) -> None:
    """Raise ConfigError if a model brings parts of a training step that is not made."""
    name = type(model).__name__
    told = [hook for hook in _WITHOUT_EFFECT if getattr(type(model), hook) is not getattr(Model, hook)]
    told += ["automatic_optimization"] if model.automatic_optimization else []
    if told:
        raise ConfigError(
            f"`model`: {name}.{told[0]} has no effect, as the training step is lightsweep's own: optimizer, scheduler "
            "and trainer say what it does"
        )


def _has_extra_state(part: nn.Module) -> bool:
    """Whether a part of a network has state of its own making beside its tensors."""
    return type(part).get_extra_state is not nn.Module.get_extra_state


def _refuse_extra_state(net: nn.Module) -> None:
    """Raise ConfigError if a part has state of its own making that a checkpoint could not be read with."""
    for part in net.modules():
        if _has_extra_state(part) and not is_loadable(part.get_extra_state()):
            raise ConfigError(
                f"`model`: {type(part).__name__}.get_extra_state must give tensors, numbers, texts, lists and "
                "dictionaries alone: no checkpoint is loaded that holds more"
            )


def refuse_single_examples(model: Model, datamodule: ArrayDataModule, switch: bool, world_size: int = 1) -> None:
    """Raise ConfigError if batch normalisation over examples would meet a single one, which has no variance.

    Args:
        model: the model.
        datamodule: tells the batches.
        switch: whether `model.batch_norm` is a setting.
        world_size: processes among which each batch is divided.
    """
    sizes = datamodule.order.sizes
    smallest = min(sizes)
    if smallest >= 2 * world_size or not any(isinstance(part, nn.BatchNorm1d) for part in model.net.modules()):
        return
    leave = "leave a last batch" if sizes[0] > smallest else "leave batches"
    shared = f", of which one of {world_size} processes gets 1" if world_size > 1 else ""
    raise ConfigError(
        f"`data.batch_size`: {len(datamodule.splits['train'])} training examples in batches of {sizes[0]} {leave} of "
        f"{many(smallest, 'example')}{shared}, which batch normalisation cannot use; "
        f"choose another size{', or model.batch_norm=false' * switch}"
    )


def refuse_several_processes(net: nn.Module, world_size: int) -> None:
    """Raise ConfigError if a network's gradients are of a kind that processes cannot add up."""
    if any(p.is_complex() for p in net.parameters()):
        raise ConfigError(f"`model`: complex parameters are trained by one process but there are {world_size}")
    if any(part.sparse for part in net.modules() if isinstance(part, nn.Embedding | nn.EmbeddingBag)):
        raise ConfigError(
            f"`model`: an embedding with `sparse=True` is trained by one process but there are {world_size}"
        )


class _Averaged(AveragedModel):
    """Torch's, which also takes over what parts of the network keep beside their tensors."""

    def __init__(self, net: nn.Module, **options: Any) -> None:
        super().__init__(net, **options)
        pairs = zip(self.module.modules(), net.modules(), strict=True)
        self._stateful = [(own, part) for own, part in pairs if _has_extra_state(part)]

    def update_parameters(self, model: nn.Module) -> None:
        """Average the tensors; extra state is as it is."""
        super().update_parameters(model)
        for own, part in self._stateful:
            own.set_extra_state(copy.deepcopy(part.get_extra_state()))


def averaged(model: Model, decay: float) -> AveragedModel:
    """A copy of the network that holds the moving average of its weights; what are no real numbers is as it is.

    Raises:
        ConfigError: the network cannot be copied, as one with torch's old `weight_norm`.
    """
    average = get_ema_multi_avg_fn(decay)

    def average_apart(averages: Sequence[Tensor], values: Sequence[Tensor], count: Any) -> None:
        """One kernel for the parameters and one for the buffers, which are no DTensors where those are cut up.

        All are of one type. A mean of integers would be cut off, and fall away from a number that never changes.
        """
        if not (averages[0].is_floating_point() or averages[0].is_complex()):
            for kept, value in zip(averages, values, strict=True):
                kept.copy_(value)
            return
        pairs = list(zip(averages, values, strict=True))
        for kind in {type(mean) for mean in averages}:
            means, currents = zip(*(pair for pair in pairs if type(pair[0]) is kind), strict=True)
            average(means, currents, count)

    try:
        copied = _Averaged(model.net, multi_avg_fn=average_apart, use_buffers=True)
    except (RuntimeError, TypeError) as error:  # torch's and pickle's words for what cannot be copied
        raise ConfigError(
            f"`trainer.ema_decay` needs a copy of the network, which has none: {lines_of(error)[0]}"
        ) from error
    return copied.requires_grad_(False)
