"""Which examples are kept for validation: a share drawn at random or class by class, or one of k folds."""

import torch
from torch import Tensor

Split = tuple[Tensor, Tensor]
"""int64 indices of the examples to train on and of those kept, both sorted."""


def random_split(targets: Tensor, kept: int, seed: int, stratified: bool = False) -> Split:
    """Keep a number of examples.

    Args:
        targets: `[N]` class indices; with `stratified` False, any `[N, …]`.
        kept: examples to keep, below N.
        seed: of the draw.
        stratified: keep of each class its share of `kept`, to within one example. The examples that rounding leaves
            over are taken from the classes with the largest remainders.
    """
    shuffled = torch.randperm(len(targets), generator=torch.Generator().manual_seed(seed))
    if not stratified:
        return _sorted(shuffled[: len(targets) - kept], shuffled[len(targets) - kept :])
    labels = targets[shuffled]
    counts = torch.bincount(labels)
    shares = counts.double() * kept / len(targets)
    quota = shares.long()
    left = kept - int(quota.sum())
    quota[(shares - quota).argsort(descending=True, stable=True)[:left]] += 1
    keep = _rank_in_class(labels) < quota[labels]
    return _sorted(shuffled[~keep], shuffled[keep])


def fold_split(targets: Tensor, fold: int, num_folds: int, seed: int, stratified: bool = False) -> Split:
    """Keep one of `num_folds` parts whose sizes differ by at most one example; together they cover each example once.

    With `stratified`, the counts of each class differ by at most one between folds too.
    """
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(seed))
    if stratified:
        order = order[targets[order].argsort(stable=True)]
    chosen = torch.arange(len(targets)) % num_folds == fold
    return _sorted(order[~chosen], order[chosen])


def balancing_weights(targets: Tensor, num_classes: int) -> tuple[float, ...]:
    """A weight for each class, inverse to its share of the targets; over the targets their mean is 1.

    A class of which there is no example gets 0.
    """
    counts = torch.bincount(targets, minlength=num_classes).double()
    present = counts > 0
    weights = torch.where(present, len(targets) / (present.sum() * counts.clamp(min=1)), 0.0)
    return tuple(weights.tolist())


def _rank_in_class(labels: Tensor) -> Tensor:
    """How many earlier examples have the same class."""
    order = labels.argsort(stable=True)
    counts = torch.bincount(labels)
    starts = counts.cumsum(0) - counts
    ranks = torch.empty_like(order)
    ranks[order] = torch.arange(len(labels)) - starts[labels[order]]
    return ranks


def _sorted(train: Tensor, kept: Tensor) -> Split:
    """Sorted indices keep the file's order within a split, and reading it fast."""
    return train.sort().values, kept.sort().values
