"""Whose losses can be compared: label smoothing, class weights and a task of one's own change what is measured."""

import itertools
from collections.abc import Sequence

from lightsweep.reporting.grouping import Group, rises

NOT_ALIKE = "losses of different kinds"


def is_loss(metric: str) -> bool:
    """Whether a metric is the task's loss over a split."""
    return metric.endswith("/loss")


def alike(one: Group, other: Group) -> bool:
    """Whether two settings' losses are of one kind, as their runs note; else as far as their configurations say."""
    return one.loss == other.loss if one.loss and other.loss else _configured(one) == _configured(other)


def kinds(groups: Sequence[Group], metric: str) -> list[str]:
    """The different kinds of a loss, each in words; none of other metrics, and where all settings' losses are alike."""
    counted = [group for group in groups if is_loss(metric) and group.by_repetition(metric)]
    if all(alike(one, other) for one, other in itertools.combinations(counted, 2)):
        return []
    noted = [group for group in counted if group.loss]
    older = [group for group in counted if not group.loss and not any(alike(group, other) for other in noted)]
    return list(dict.fromkeys([group.loss for group in noted] + [_configured(group) for group in older]))


def ranking(groups: Sequence[Group], metrics: Sequence[str]) -> str:
    """The metric that settings are ranked by unless one is asked for: the first that there is.

    In the place of a loss of different kinds another of the test or the validation, where there is one that says
    whether more of it is better.
    """
    if not kinds(groups, metrics[0]):
        return metrics[0]
    others = [name for name in metrics if name.startswith(("test/", "val/")) and not is_loss(name)]
    return next((name for name in others if rises(groups, name) is not None), metrics[0])


def warning(groups: Sequence[Group], metrics: Sequence[str], metric: str) -> str:
    """What to read above a loss of different kinds, with how else its settings can be ranked; empty for all else."""
    found = kinds(groups, metric)
    if not found:
        return ""
    other = ranking(groups, metrics)
    told = f"metric={other} ranks them" if other != metric and not kinds(groups, other) else "nothing ranks them"
    return f"The settings have {NOT_ALIKE} ({'; '.join(found)}), which cannot be compared: {told}."


def _configured(group: Group) -> str:
    """What the configuration says of the loss, for runs that are older than their note of it."""
    settings = group.runs[0].settings or {}
    values = {key: settings.get(key) for key in ("model.label_smoothing", "data.class_weights")}
    return " ".join(f"{key.partition('.')[2]}={value}" for key, value in values.items() if value) or "the usual loss"
