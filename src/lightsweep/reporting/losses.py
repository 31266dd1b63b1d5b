"""Whose losses can be compared: label smoothing, class weights and a task of one's own change what is measured."""

from collections.abc import Sequence

from lightsweep.reporting.grouping import Group, rises

NOT_ALIKE = "losses of different kinds"


def is_loss(metric: str) -> bool:
    """Whether a metric is the task's loss over a split."""
    return metric.endswith("/loss")


def kinds(groups: Sequence[Group], metric: str) -> list[str]:
    """The different kinds of a loss, each in words; none of other metrics, and where all settings' losses are alike."""
    found = dict.fromkeys(group.loss for group in groups if is_loss(metric) and group.by_repetition(metric))
    return list(found) if len(found) > 1 else []


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
