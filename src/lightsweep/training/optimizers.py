"""From an optimizer's YAML to torch optimizers over a model's parameter groups."""

import inspect
import os
from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import LBFGS, SGD, AdamW, Muon, Optimizer

from lightsweep.errors import ConfigError, place_of

_RATES = ("lr", "adamw_lr", "max_lr", "base_lr", "min_lr", "eta_min")
_IMPLEMENTATIONS = {"fused", "foreach", "differentiable"}
"""Of torch's implementations of an optimizer one can be asked for."""

Group = dict[str, Any]
_CPU = torch.device("cpu")
_NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


class GradientDescent(SGD):
    """θ ← θ − η∇J(θ) with the gradient of the whole training split: one step an epoch.

    The stepper adds up the gradients of all batches, so memory is that of one batch.

    Args:
        params: parameters or groups.
        lr: learning rate η.
        weight_decay: L2 penalty.
    """

    full_batch = True

    def __init__(self, params: Any, lr: float = 0.1, weight_decay: float = 0.0) -> None:
        super().__init__(params, lr=lr, weight_decay=weight_decay)


def muon(
    groups: list[Group], lr: float, momentum: float = 0.95, weight_decay: float = 0.0, adamw_lr: float = 1e-3
) -> list[Optimizer]:
    """Muon for the hidden weight matrices, AdamW for all other parameters.

    Hidden are the 2-d weights other than the network's first and last; what has a `weight_decay` of its own, as a table
    of biases, is none of its weights. A network that has none is AdamW's alone.

    Args:
        groups: as `parameter_groups` makes them.
        lr: learning rate of the matrices.
        momentum: Nesterov momentum of the matrices.
        weight_decay: decoupled decay of weights; biases and gains follow their group's.
        adamw_lr: learning rate of the rest.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.Muon.html
    """
    weights = [p for group in groups if "weight_decay" not in group for p in group["params"] if p.dim() >= 2]
    hidden = [p for p in weights[1:-1] if p.dim() == 2]
    chosen = {id(p) for p in hidden}
    rest = [{**group, "params": [p for p in group["params"] if id(p) not in chosen]} for group in groups]
    found: list[Optimizer] = [AdamW([g for g in rest if g["params"]], lr=adamw_lr, weight_decay=weight_decay)]
    if hidden:
        found.append(Muon(hidden, lr=lr, momentum=momentum, weight_decay=weight_decay))
    return found


def parameter_groups(model: nn.Module, decay_bias_and_norm: bool) -> list[Group]:
    """Parameters in model order: first those that weight decay is for, then biases and normalisation gains.

    A bias has the word in its name, as an LSTM's `bias_ih_l0`. The second group has `weight_decay` 0 unless
    `decay_bias_and_norm`; a group without parameters is left out.
    """
    spared = {
        id(p)
        for module in model.modules()
        for name, p in module.named_parameters(recurse=False)
        if "bias" in name or isinstance(module, _NORMS)
    }
    trained = [p for p in model.parameters() if p.requires_grad]
    decayed: Group = {"params": [p for p in trained if decay_bias_and_norm or id(p) not in spared]}
    other: Group = {"params": [p for p in trained if id(p) in spared and not decay_bias_and_norm], "weight_decay": 0.0}
    return [group for group in (decayed, other) if group["params"]]


def scaled(factory: partial, factor: float) -> partial:
    """A factory of an optimizer or a schedule with each learning rate multiplied that it is given, also in a list.

    An `auto` and a null stay as they are.

    The linear scaling rule: Goyal et al., Accurate, Large Minibatch SGD, section 2.1, arXiv 1706.02677.
    """
    given = {
        key: rate for key, rate in factory.keywords.items() if key in _RATES and isinstance(rate, int | float | list)
    }
    rates = {
        key: [each * factor for each in rate] if isinstance(rate, list) else rate * factor
        for key, rate in given.items()
    }
    return partial(factory.func, *factory.args, **{**factory.keywords, **rates})


def build_optimizers(
    factory: partial, model: nn.Module, decay_bias_and_norm: bool, fuse_on: torch.device | None = _CPU
) -> list[Optimizer]:
    """Call an optimizer's factory with a model's parameter groups.

    Args:
        factory: what an optimizer's YAML builds; takes the groups, gives an optimizer or a list of them.
        model: its trainable parameters are taken.
        decay_bias_and_norm: see `parameter_groups`.
        fuse_on: device that the parameters will be on: torch's fused implementation is chosen where the optimizer has
            one for it; None for never.

    Raises:
        ConfigError: a key that the optimizer does not have, a value that it refuses, or no optimizer that can be used.
    """
    takes = inspect.signature(factory.func).parameters
    unknown = sorted(set(factory.keywords) - set(takes))
    name = getattr(factory.func, "__name__", "the optimizer")
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in takes.values()):
        raise ConfigError(f"`optimizer.{unknown[0]}` is no key of {name}, which takes {', '.join(list(takes)[1:])}")
    decays = factory.keywords.get("weight_decay", takes["weight_decay"].default if "weight_decay" in takes else 0)
    # without decay the groups would be alike, and each costs a small model's step 5 %
    groups = parameter_groups(model, decay_bias_and_norm or not decays)
    if not groups:
        raise ConfigError("`model` has no trainable parameters")
    if factory.func is LBFGS:  # it takes a single group
        groups = [{"params": [p for group in groups for p in group["params"]]}]
    dampening = factory.keywords.get("dampening", 0)
    damped = isinstance(dampening, float | int) and dampening  # see `LateMomentum`; the fused step refuses what is none
    chosen = damped or _IMPLEMENTATIONS & factory.keywords.keys()
    sparse = any(getattr(part, "sparse", False) for part in model.modules())  # gradients that no kernel takes
    fuse = fuse_on is not None and "fused" in takes and not chosen and not sparse and _fusable(groups, factory, fuse_on)
    extra = {"fused": True} if fuse else {}
    try:
        found = factory(groups, **extra)
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise ConfigError(f"`optimizer`: {name} refuses its settings: {error}{place_of(error)}") from error
    optimizers = _usable([found] if isinstance(found, Optimizer) else found, name)
    for optimizer in optimizers:
        keep_types_of_state(optimizer)
        if isinstance(optimizer, SGD) and any(group["fused"] and group["momentum"] for group in optimizer.param_groups):
            optimizer.register_step_pre_hook(LateMomentum())
    return optimizers


def _usable(found: Any, name: str) -> list[Optimizer]:
    """What a factory gave, as a list; ConfigError where it is none of optimizers, or one that a run cannot step."""
    several = list(found) if isinstance(found, Iterable) else []
    if not several or not all(isinstance(each, Optimizer) for each in several):
        what = "none" if found is None else f"a {type(found).__name__}"
        raise ConfigError(f"`optimizer` must be a torch.optim.Optimizer, or a list of some, but {name} gives {what}")
    for each in several:
        if inspect.unwrap(type(each).step) is Optimizer.step:
            raise ConfigError(f"`optimizer`: {type(each).__name__} has no method `step`")
        if not all("lr" in group for group in each.param_groups):
            raise ConfigError(
                f"`optimizer`: {type(each).__name__} must have its learning rate as `lr` in its param_groups"
            )
        closure = inspect.signature(type(each).step).parameters.get("closure")
        if closure is not None and closure.default is closure.empty and not isinstance(each, LBFGS):
            raise ConfigError(f"`optimizer`: {type(each).__name__}.step must be given a closure, which LBFGS alone is")
    return several


class LateMomentum:
    """Lets parameters have their first gradient at a later step than others, as those that were frozen: SGD's hook.

    torch's fused kernel wants momentum of all parameters of a group or of none, and else raises. From zero, and without
    dampening, the first update is that of the gradient alone, as with the other implementations.
    """

    def __init__(self) -> None:
        self._graded: list[bool] = []

    def __call__(self, optimizer: Optimizer, *_: Any) -> None:
        """Before a step."""
        graded = [p.grad is not None for group in optimizer.param_groups for p in group["params"]]
        if graded != self._graded:  # to look for momentum each time takes longer
            self._graded = graded
            for group in optimizer.param_groups:
                _give_momentum(optimizer, [p for p in group["params"] if p.grad is not None])


def _give_momentum(optimizer: Optimizer, graded: list[Tensor]) -> None:
    """Give it to those of a group's parameters that have none, where others have."""
    late = [p for p in graded if optimizer.state.get(p, {}).get("momentum_buffer") is None]
    for parameter in late if len(late) < len(graded) else ():
        optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


def keep_types_of_state(optimizer: Optimizer) -> None:
    """Let `load_state_dict` leave each tensor in the type that it was saved in: torch gives it its parameter's.

    NAdam, for one, keeps a product in float32 beside weights in float64, and would go on with other bits. An optimizer
    that loads in a way of its own, as one around another does, is left alone.
    """
    if type(optimizer).load_state_dict is not Optimizer.load_state_dict:
        return
    given: list[dict[str, Any]] = []

    def remember(_: Optimizer, state: dict[str, Any]) -> None:
        given.append(state)

    def restore(optimizer: Optimizer) -> None:
        saved = given.pop()
        names = [name for group in saved["param_groups"] for name in group["params"]]
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for name, parameter in zip(names, parameters, strict=True):
            for key, value in saved["state"].get(name, {}).items():
                loaded = optimizer.state[parameter][key]
                if isinstance(value, Tensor) and value.dtype != loaded.dtype:
                    optimizer.state[parameter][key] = value.to(loaded.device, copy=True)

    optimizer.register_load_state_dict_pre_hook(remember)
    optimizer.register_load_state_dict_post_hook(restore)


def stop_looking_for_gpus() -> None:
    """Where there is no GPU, spare the steps of Adam and its kin the search for one, a tenth of a small model's step.

    They ask torch whether a GPU is capturing a graph. Importing lightning makes torch answer by NVML (the variable
    below), and where there is no NVML, each question looks for its library on the disk anew.

    Source: https://docs.pytorch.org/docs/stable/notes/cuda.html, "Environment variables"
    """
    if not torch.cuda.is_available():
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"


def _fusable(groups: Iterable[Group], factory: partial, device: torch.device) -> bool:
    """Whether an optimizer has one kernel for all of the parameters; for other devices than a CPU it is tried.

    Adagrad's has none for CUDA in torch 2.11, which it tells at the first step.
    """
    tensors: list[Tensor] = [p for group in groups for p in group["params"]]
    if device.type not in ("cpu", "cuda", "mps") or not all(p.is_floating_point() for p in tensors):
        return False
    if device.type == "cpu":
        return True
    tried = nn.Parameter(torch.zeros(1, dtype=tensors[0].dtype, device=device))
    tried.grad = torch.zeros_like(tried)
    try:
        factory([tried], fused=True).step()
    except RuntimeError:
        return False
    except (TypeError, ValueError):  # its settings are refused, with the real parameters too
        pass
    return True
