"""The LightningModule that all models are: a network, a task, and the hooks through which Lightning drives them.

How an optimizer step is made is not here: `training` attaches a `Stepper`, and `training_step` hands it the chunk.
So `forward`, `task.loss` and `task.correct` stay free of side effects.
"""

import copy
import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from lightsweep.data.spec import DataSpec
from lightsweep.errors import ConfigError, lines_of, place_of
from lightsweep.models.tasks import Multiclass, Regression, Task, precise


class Stepper(Protocol):
    """The side of training that a model calls."""

    def train_chunk(self, chunk: Any) -> None:
        """Make the optimizer steps of a chunk."""
        ...

    @property
    def optimizers(self) -> list[Optimizer]:
        """Stepped together."""
        ...

    @property
    def schedules(self) -> Sequence[Any]:
        """Learning-rate schedules, each with its `scheduler`."""
        ...


class Model(LightningModule):
    """A network that is trained for a task.

    Args:
        spec: the data that it must fit.
        net: maps `[B, *spec.input_shape]` to `[B, task.num_outputs(spec)]`, floating point. One that writes into its
            input is given copies of it: an evaluation's batches are views of the data.
        task: the loss and the count.
        compile: whether torch compiles the network, or in which mode of `torch.compile`.
        channels_last: memory format NHWC; None: where the network has 2-d convolutions.

    Raises:
        ConfigError: the network does not take the data's inputs, or gives outputs of another shape or type; or the
            task lacks a part.
    """

    def __init__(
        self,
        spec: DataSpec,
        net: nn.Module,
        task: Task,
        compile: bool | str = False,
        channels_last: bool | None = None,
    ) -> None:
        super().__init__()
        missing = [part for part in ("loss", "correct", "counts", "num_outputs") if not hasattr(task, part)]
        if missing:
            raise ConfigError(f"`model`: the task {type(task).__name__} has no `{missing[0]}`")
        self.automatic_optimization = False
        self.spec, self.net, self.task = spec, net, task
        self.has_convolutions = any(isinstance(part, nn.Conv2d) for part in net.modules())
        self.channels_last = self.has_convolutions if channels_last is None else channels_last
        self.ema: AveragedModel | None = None
        self.autocast_dtype: torch.dtype | None = None
        self.stepper: Stepper | None = None
        self.evaluated: dict[str, float] = {}
        """Metrics of the newest validation and test."""
        self._told: set[str] = set()
        self.compiled = bool(compile)
        self._sums: dict[str, Tensor] = {}
        self.check_outputs()
        if self.channels_last:
            net.to(memory_format=torch.channels_last)
        if compile:
            _compile(net, compile if isinstance(compile, str) else None)

    def network_name(self) -> str:
        """What the network is called where a run says what it trains."""
        return type(self).__name__

    def wanted_inputs(self) -> str:
        """What inputs the network takes, as the end of the line that refuses others, or an empty text."""
        return ""

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs `[B, num_outputs]` for inputs `[B, *input_shape]`; in evaluation, by the averaged weights."""
        net = self.net if self.training or self.ema is None else self.ema
        if self.channels_last and inputs.dim() == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return net(inputs)

    def autocast(self) -> AbstractContextManager:
        """The precision in which outputs and loss are computed; gradients and updates stay in that of the weights."""
        if self.autocast_dtype is None:
            return nullcontext()
        return torch.autocast(self.device.type, self.autocast_dtype)

    def predict(self, inputs: Tensor) -> Tensor:
        """Outputs in float32 or float64, as the task's functions take them in evaluation."""
        with self.autocast():
            outputs = self(inputs)
        return outputs.float() if outputs.dtype in (torch.bfloat16, torch.float16) else outputs

    def configure_optimizers(self) -> Any:
        """The optimizers and schedulers that `training` built; the stepper advances the latter, not Lightning."""
        assert self.stepper is not None
        return self.stepper.optimizers, [schedule.scheduler for schedule in self.stepper.schedules]

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Several optimizer steps: Lightning's batch is a chunk of batches."""
        assert self.stepper is not None
        self.stepper.train_chunk(batch)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Add a batch to the validation's sums; gives its outputs, which Lightning hands to callbacks."""
        return self._evaluate("val", batch)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Add a batch to the test's sums; gives its outputs."""
        return self._evaluate("test", batch)

    def on_validation_epoch_end(self) -> None:
        """Log `val/loss` and, where the task counts, `val/acc`."""
        self._log_sums("val")

    def on_test_epoch_end(self) -> None:
        """Log `test/loss` and, where the task counts, `test/acc`."""
        self._log_sums("test")

    def _evaluate(self, split: str, batch: tuple[Tensor, Tensor]) -> Tensor:
        inputs, targets = batch
        outputs = self.predict(inputs)
        size, dtype = len(targets), precise(outputs.device)
        total = self._sums.setdefault(split, torch.zeros(3, dtype=dtype, device=outputs.device))
        if not size:  # one process of several; a mean over nothing is NaN
            return outputs
        sums = torch.stack(
            [self.task.loss(outputs, targets).to(dtype) * size, self.task.correct(outputs, targets).to(dtype)]
        )
        total[:2] += sums
        total[2] += size
        return outputs

    def _log_sums(self, split: str) -> None:
        total = self._sums.pop(split, torch.zeros(3, dtype=precise(self.device), device=self.device))
        loss, correct, size = self.trainer.strategy.reduce(total, reduce_op="sum").tolist()
        metrics = {f"{split}/loss": loss / size} | ({f"{split}/acc": correct / size} if self.task.counts else {})
        self.evaluated.update(metrics)
        self._tell_if_infinite(split, loss / size)
        self.log_for_callbacks(metrics)

    def log_for_callbacks(self, metrics: Mapping[str, float]) -> None:
        """Let Lightning's callbacks see metrics as they are, equal on all processes; it would make floats float32."""
        kind: dict[str, Any] = {"dtype": precise(self.device), "device": self.device}
        self.log_dict({k: torch.tensor(v, **kind) for k, v in metrics.items()}, logger=False, sync_dist=True)

    def _tell_if_infinite(self, split: str, loss: float) -> None:
        """One line for each split, at the first such loss: the run goes on, as its metrics are never the best."""
        if math.isfinite(loss) or split in self._told or not self.trainer.is_global_zero:
            return
        self._told.add(split)
        when = f" after epoch {self.trainer.current_epoch + 1}" * (split == "val")
        print(f"warning: {split}/loss is {loss}{when}", file=sys.stderr)

    def check_outputs(self) -> None:
        """Try the network, in evaluation mode and the type of its weights, on two examples of zeros.

        Raises:
            ConfigError: it does not take them, or gives another shape or type, or what cannot be trained.
        """
        name, wanted = self.network_name(), (2, self.task.num_outputs(self.spec))
        training, gradients = self.net.training, torch.is_grad_enabled()
        dtype = next((p.dtype for p in self.net.parameters() if p.is_floating_point()), torch.float32)
        try:
            with torch.inference_mode(False), torch.set_grad_enabled(gradients):  # else nothing tells who wrote into it
                inputs = torch.zeros(2, *self.spec.input_shape, dtype=dtype)
                found = self.net.eval()(inputs)
        except (RuntimeError, ValueError, IndexError, TypeError, AssertionError) as error:
            asked = f"inputs of shape {self.spec.input_shape} and type {dtype}"
            told = f"{lines_of(error)[0]}{place_of(error)}{self.wanted_inputs()}"
            raise ConfigError(f"`model` {name} does not take {asked}: {told}") from error
        finally:
            self.net.train(training)
        if not isinstance(found, Tensor) or not found.is_floating_point():
            kind = f"one of {found.dtype}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
            raise ConfigError(f"`model` {name} must give one tensor of floating-point numbers but gave {kind}")
        shape = tuple(found.shape)
        if shape[:1] != wanted[:1]:
            raise ConfigError(f"`model` {name} gives for 2 examples outputs of shape {shape}, but {wanted} is needed")
        if shape != wanted:
            raise ConfigError(f"`model` {name} gives outputs of shape {shape[1:]}, but `data` needs {wanted[1:]}")
        if self._are_probabilities(found):
            raise ConfigError(
                f"`model` {name} gives probabilities, of which the loss would take the softmax again: leave its own out"
            )
        if gradients and not found.requires_grad and not self._learns(inputs):
            raise ConfigError(
                f"`model` {name} gives an output without gradient: is there a `detach` or a `no_grad` in it?"
            )
        if inputs._version and copied_inputs not in self.net._forward_pre_hooks.values():
            self.net.register_forward_pre_hook(copied_inputs)

    def _are_probabilities(self, outputs: Tensor) -> bool:
        """Whether outputs that the loss takes for logits add up to 1; a task of the user's own may want that."""
        if getattr(type(self.task), "loss", None) is not Multiclass.loss or outputs.shape[1] < 2:
            return False
        return bool((outputs >= 0).all()) and torch.allclose(outputs.sum(1), torch.ones_like(outputs[:, 0]))

    def _learns(self, inputs: Tensor) -> bool:
        """Whether outputs in training have a gradient, where those in evaluation have none; True if none is wanted."""
        if not any(parameter.requires_grad for parameter in self.net.parameters()):
            return True
        with torch.random.fork_rng(devices=[]):  # dropout draws, and a copy's running means are nobody's
            return bool(copy.deepcopy(self.net).train()(inputs.detach()).requires_grad)


def copied_inputs(net: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The network's arguments with inputs of its own; a hook on the network serves its copies and exports too."""
    inputs, *others = arguments
    return inputs.clone(), *others


def coloured_inputs(net: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The network's arguments with gray images as three equal channels; a hook changes no weight's name."""
    inputs, *others = arguments
    return inputs.expand(-1, 3, -1, -1), *others


OWN_HOOKS = (copied_inputs, coloured_inputs)
"""Hooks on a network that may be recorded with it: they do nothing but change a tensor."""


def task_for(spec: DataSpec, label_smoothing: float = 0.0) -> Task:
    """The usual task for a data set: multiclass where it has classes, else regression."""
    return Regression() if spec.num_classes is None else Multiclass(label_smoothing, spec.class_weights)


def need(condition: bool, model: str, needs: str, spec: DataSpec) -> None:
    """Raise ConfigError if a model does not fit the data."""
    if not condition:
        raise ConfigError(f"`model={model}` needs {needs}, but `data` has {spec}")


def _compile(net: nn.Module, mode: str | None) -> None:
    """As `net.compile`, with which torch before 2.14 compiles nothing of its own containers, without a word."""
    call = net._call_impl

    def called(*inputs: Tensor) -> Tensor:
        return call(*inputs)

    net._compiled_call_impl = torch.compile(called, mode=mode)  # left out of copies by torch
