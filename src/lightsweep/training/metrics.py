"""Metrics that a configuration adds: torchmetrics' and others of its kind, over the validation and the test split.

They are a callback's business, so that training steps know nothing of them, and no module's, so that a checkpoint has
the same keys with and without them.
"""

import warnings
from collections.abc import Container
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from omegaconf import DictConfig
from torch import Tensor
from torchmetrics import Metric

from lightsweep.config import instantiate
from lightsweep.config.targets import parameters_of
from lightsweep.data import DataSpec
from lightsweep.errors import ConfigError, one_line, place_of, raised_in
from lightsweep.models import Model
from lightsweep.models.tasks import class_probabilities, precise
from lightsweep.training.class_metrics import OfClassOne, over_present_classes


class Metrics(Callback):
    """Computes metrics over a whole split, over all processes, and adds them to the model's `evaluated`.

    Args:
        found: metrics by name; `val/<name>` and `test/<name>` are logged.
    """

    def __init__(self, found: dict[str, Metric]) -> None:
        self.found = found

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew, on the model's device."""
        device = pl_module.device
        for metric in self.found.values():
            as_precise(metric, device).to(device).reset()

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *args: Any, **kwargs: Any
    ) -> None:
        """Add a batch."""
        predictions, targets = as_metrics_take_it(pl_module.spec, outputs, batch[1])  # type: ignore[arg-type]
        if not len(targets):  # a process's part of a last batch may be empty, which some metrics do not bear
            return
        for metric in self.found.values():
            metric.update(predictions, targets)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log `val/<name>`."""
        self._log("val", pl_module)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew."""
        self.on_validation_start(trainer, pl_module)

    def on_test_batch_end(self, *args: Any, **kwargs: Any) -> None:
        """Add a batch."""
        self.on_validation_batch_end(*args, **kwargs)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log `test/<name>`."""
        self._log("test", pl_module)

    def _log(self, split: str, model: Any) -> None:
        with warnings.catch_warnings():  # a process may have no part of a small split; a class may be absent
            warnings.filterwarnings("ignore", category=UserWarning, module="torchmetrics")
            values = {f"{split}/{name}": _computed(name, metric, split) for name, metric in self.found.items()}
        model.evaluated.update(values)
        model.log_for_callbacks(values)


def _computed(name: str, metric: Metric, split: str) -> float:
    try:
        return float(metric.compute())
    except ValueError as error:
        if not raised_in(error).startswith("torchmetrics."):
            raise
        raise ConfigError(f"`metrics.{name}` cannot be computed on the {split} split: {one_line(error)}") from error


def build_metrics(cfg: DictConfig, model: Model) -> dict[str, Metric]:
    """The metrics of a configuration by name; each is tried on a batch of the model's shapes.

    One that takes a `task` or `num_classes` is told the data's, where the configuration does not say: two classes are
    two also for a model of one logit, so that all models' metrics mean the same. A macro mean is over the classes that
    have examples.

    Raises:
        ConfigError: one that is no metric, does not fit the task, or gives no single number.
    """
    return {str(name): _built(f"metrics.{name}", node, cfg, model) for name, node in (cfg.get("metrics") or {}).items()}


def direction(name: str, metric: Metric) -> str:
    """`max` or `min`, as the metric says of itself.

    Raises:
        ConfigError: it says nothing.
    """
    said = said_direction(metric)
    if said is None:
        raise ConfigError(f"`monitor={name}` does not tell whether more is better: add mode=max or mode=min")
    return said


def said_direction(metric: Metric) -> str | None:
    """`max` where more of a metric is better, `min` where less is, None where it does not say."""
    return {True: "max", False: "min"}.get(metric.higher_is_better)  # type: ignore[arg-type]


def as_metrics_take_it(spec: DataSpec, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Predictions and targets in torchmetrics' shapes.

    Args:
        spec: the data.
        outputs: a network's, `[B, K]`.
        targets: `[B]` for classes, `[B, 1]` for regression.

    Returns:
        Probabilities `[B, K]`, of two classes also where there is one logit, and classes `[B]`; for regression numbers
        `[B]` and `[B]`. Logits would be taken for probabilities where they happen to lie in [0, 1]. All are float64,
        except on MPS, which has none: in float32 probabilities are 1 from a logit of 17 on, and tie, and sums of
        squares lose the variance of targets whose mean is large.
    """
    dtype = precise(outputs.device)
    outputs = outputs.to(dtype)
    if spec.num_classes is None:
        return outputs.squeeze(1), targets.squeeze(1).to(dtype)
    return class_probabilities(outputs), targets


def as_precise(metric: Metric, device: torch.device) -> Metric:
    """The metric, whose sums are kept in float64 where the device has it; what it counts stays whole."""
    for part in metric.modules():
        states = part.metric_state.values() if isinstance(part, Metric) else ()
        if any(isinstance(state, Tensor) and state.is_floating_point() for state in states):
            part.set_dtype(precise(device))  # type: ignore[operator]
    return metric


def _built(key: str, node: DictConfig, cfg: DictConfig, model: Model) -> Metric:
    takes = parameters_of(str(node._target_), cfg.trust)
    metric = instantiate(node, trust=cfg.trust, **_told(key, node, takes, model))
    if not isinstance(metric, Metric):
        raise ConfigError(f"`{key}` must be a torchmetrics Metric but `{node._target_}` is none")
    metric = over_present_classes(metric) if _takes_each_class(node, takes, model) else OfClassOne(metric)
    outputs = torch.zeros(4, model.task.num_outputs(model.spec))
    if model.spec.num_classes is None:
        targets = torch.arange(4.0).unsqueeze(1)
    else:
        targets = torch.arange(4) % model.spec.num_classes
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # four equal predictions have no correlation, no curve, …
            metric.update(*as_metrics_take_it(model.spec, outputs, targets))
            found = metric.compute()
    except (RuntimeError, ValueError, TypeError, LookupError) as error:
        told = f"{one_line(error)}{place_of(error)}"
        raise ConfigError(f"`{key}`: `{node._target_}` does not fit what the model predicts: {told}") from error
    if not (isinstance(found, int | float) or (isinstance(found, Tensor) and found.numel() == 1)):
        found_is = "several" if isinstance(found, Tensor) else f"a {type(found).__name__}"
        raise ConfigError(f"`{key}` must give a single number, but `{node._target_}` as it is set gives {found_is}")
    metric.reset()
    return metric


def _told(key: str, node: DictConfig, takes: Container[str], model: Model) -> dict[str, Any]:
    """What a metric takes of the data that its configuration does not say."""
    num_classes = model.spec.num_classes
    if "task" in takes and num_classes is None and "task" not in node:
        raise ConfigError(f"`{key}`: `{node._target_}` is for classes, and `data` has none")
    if "task" in takes and "task" not in node and "threshold" in node:
        raise ConfigError(f"`{key}.threshold` is for two classes and one of them alone: add `{key}.task=binary`")
    given = {"task": "multiclass", "num_classes": num_classes}
    return {name: value for name, value in given.items() if name in takes and name not in node}


def _takes_each_class(node: DictConfig, takes: Container[str], model: Model) -> bool:
    """Whether a metric takes `[B, 2]` where a model has one logit, and not the probability of class 1, `[B]`."""
    if model.spec.num_classes is None or model.task.num_outputs(model.spec) > 1:
        return True
    return node.get("task", "multiclass") == "multiclass" if "task" in takes else "num_classes" in takes
