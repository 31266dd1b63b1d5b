"""Metrics around metrics, for what torchmetrics' take and leave out of the classes."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassAUROC,
    MulticlassAveragePrecision,
    MulticlassRecall,
)

_OF_A_CLASS_EXAMPLES = (MulticlassAccuracy, MulticlassAUROC, MulticlassAveragePrecision, MulticlassRecall)
"""What divides by the number of a class's examples; torchmetrics gives 0 for a class that has none."""


class Around(Metric):
    """Another metric, with its direction.

    Args:
        metric: its states are its own, to reset and to bring together from all processes.
    """

    def __init__(self, metric: Metric) -> None:
        super().__init__()
        self.metric = metric

    @property
    def higher_is_better(self) -> bool | None:  # type: ignore[override]
        """As of the metric."""
        return self.metric.higher_is_better

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        """Add a batch of probabilities `[B, K]` and classes `[B]`."""
        self.metric.update(predictions, targets)

    def compute(self) -> Any:
        """What the metric gives."""
        return self.metric.compute()

    def reset(self) -> None:
        """Begin anew."""
        super().reset()
        self.metric.reset()


class OfClassOne(Around):
    """A metric that takes the probability of class 1 alone, `[B]`."""

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        """Add a batch of probabilities `[B, 2]` and classes `[B]`."""
        self.metric.update(predictions[:, 1], targets)


class OverPresentClasses(Around):
    """The mean over those classes that have examples, and of those that the metric is defined for.

    The area under a ROC curve is not, where all examples are of the class. NaN where no class is left.

    Args:
        metric: gives a number for each class, `[K]`.
        num_classes: K.
    """

    counts: Tensor

    def __init__(self, metric: Metric, num_classes: int) -> None:
        super().__init__(metric)
        self.num_classes = num_classes
        self.add_state("counts", torch.zeros(num_classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        """Add a batch of probabilities `[B, K]` and classes `[B]`."""
        super().update(predictions, targets)
        ignored = getattr(self.metric, "ignore_index", None)
        kept = targets if ignored is None else targets[targets != ignored]
        # a comparison, as bincount is not deterministic on a GPU
        self.counts += (kept[:, None] == torch.arange(self.num_classes, device=kept.device)).sum(0)

    def compute(self) -> Tensor:
        """A scalar."""
        defined = self.counts > 0
        if isinstance(self.metric, MulticlassAUROC):
            defined &= self.counts < self.counts.sum()
        return self.metric.compute()[..., defined].mean(-1)


def over_present_classes(metric: Metric) -> Metric:
    """The metric itself; of a macro mean in which a class without examples counts as 0, one that leaves it out."""
    if type(metric) not in _OF_A_CLASS_EXAMPLES or metric.average != "macro":
        return metric
    metric.average = "none"
    return OverPresentClasses(metric, int(metric.num_classes))  # type: ignore[arg-type]
