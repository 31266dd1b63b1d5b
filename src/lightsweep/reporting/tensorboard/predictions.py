"""What a network said of each example of a split: how often each class was taken for which, and the worst mistakes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lightsweep.models.tasks import class_probabilities
from lightsweep.reporting.tables import Table
from lightsweep.screen import many

MOST = 25
"""Mistakes that are kept."""


@dataclass(frozen=True)
class Mistake:
    """One wrong prediction.

    Attributes:
        probability: what the network gave the class that it predicted, in [0, 1].
        index: the example's place in its split.
        label: the right class.
        prediction: the class that the network took it for.
    """

    probability: float
    index: int
    label: int
    prediction: int


@dataclass(frozen=True)
class Predictions:
    """Counts and mistakes of a split, or of a part of it.

    Attributes:
        counts: int64 `[K, K]`; a row is a label, a column a prediction.
        mistakes: the most confident ones first, at most `MOST`.
    """

    counts: Tensor
    mistakes: list[Mistake]

    @classmethod
    def of(cls, outputs: Tensor, targets: Tensor, indices: Tensor) -> "Predictions":
        """Judge a network's outputs.

        Args:
            outputs: logits `[N, K]`, or `[N, 1]` of class 1 of two.
            targets: int64 `[N]` in 0..K−1.
            indices: int64 `[N]`, the examples' places in their split.
        """
        chances = class_probabilities(outputs.double())
        probabilities, predicted = chances.max(1)
        classes = chances.shape[1]
        counts = torch.bincount(targets * classes + predicted, minlength=classes**2).reshape(classes, classes)
        wrong = (predicted != targets).nonzero().squeeze(1)
        chosen = wrong[probabilities[wrong].argsort(descending=True, stable=True)[:MOST]]
        columns = (probabilities[chosen], indices[chosen], targets[chosen], predicted[chosen])
        return cls(counts, [Mistake(*row) for row in zip(*(column.tolist() for column in columns), strict=True)])

    @classmethod
    def merged(cls, parts: "Sequence[Predictions]") -> "Predictions":
        """Those of several parts together."""
        mistakes = sorted((m for part in parts for m in part.mistakes), key=lambda m: (-m.probability, m.index))
        return cls(torch.stack([part.counts for part in parts]).sum(0), mistakes[:MOST])

    @property
    def accuracy(self) -> float:
        """Share of right predictions."""
        return float(self.counts.trace() / self.counts.sum())

    @property
    def recall(self) -> list[float]:
        """For each class, the share of its examples that were found; NaN for a class without examples."""
        return (self.counts.diagonal() / self.counts.sum(1)).tolist()

    @property
    def precision(self) -> list[float]:
        """For each class, the share of right ones among its predictions; NaN for a class never predicted."""
        return (self.counts.diagonal() / self.counts.sum(0)).tolist()


def table(predictions: Predictions, names: Sequence[str], split: str) -> str:
    """Precision and recall of each class, as a Markdown table."""
    total = int(predictions.counts.sum())
    sizes = predictions.counts.sum(1).tolist()
    rows = [
        [name, f"{size:,}", percent(right), percent(found)]
        for name, size, right, found in zip(names, sizes, predictions.precision, predictions.recall, strict=True)
    ]
    accuracy = f"Accuracy on the {split} set: {100 * predictions.accuracy:.2f} % of {many(total, 'example')}"
    return f"{accuracy}\n\n{Table(['class', 'examples', 'precision', 'recall'], rows).markdown()}"


def percent(share: float) -> str:
    """Such as `98.31 %`; a dash for NaN."""
    return "–" if share != share else f"{100 * share:.2f} %"
