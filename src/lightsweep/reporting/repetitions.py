"""What repeats a setting: its runs' seeds, and in cross-validation their folds."""

from collections.abc import Iterable
from typing import TypeVar

from lightsweep.reporting.runs import Run

_Value = TypeVar("_Value")

Repetition = tuple[int, int, int]
"""A run's seed, below 0 where it is not known, its fold, and of how many folds; (seed, 0, 0) where there are none."""


def by_repetition(found: Iterable[tuple[Run, _Value]]) -> dict[Repetition, list[_Value]]:
    """What each of some runs has, by repetition: one that was run several times counts once."""
    values: dict[Repetition, list[_Value]] = {}
    for run, value in found:
        seed = run.seed if run.seed is not None else -1 - len(values)  # not known: no other run's
        values.setdefault((seed, *run.fold), []).append(value)
    return values


def overlap(repetitions: Iterable[Repetition]) -> float:
    """How far repetitions are from being independent, for `Estimate`: 0 where they are.

    Folds share training examples. Their values' mean is then off by more than independent ones' would be: its variance
    is taken for (1/n + validated/trained) of theirs, by Nadeau and Bengio, Inference for the generalization error,
    Machine Learning 52 (2003), and for repeated cross-validation by Bouckaert and Frank, PAKDD 2004.
    """
    folds = {(fold, num_folds) for _, fold, num_folds in repetitions}
    return 1 / (max(num_folds for _, num_folds in folds) - 1) if len(folds) > 1 else 0.0


def told(run: Run) -> str:
    """A run's seed, and its fold if it has one."""
    fold, num_folds = run.fold
    seed = "–" if run.seed is None else str(run.seed)
    return f"{seed} (fold {fold})" if num_folds else seed


def word(repetitions: Iterable[Repetition]) -> str:
    """What repetitions are, each: a seed, a fold, or a run with both."""
    found = list(repetitions)
    seeds, folds = ({repetition[0] for repetition in found}, {repetition[1:] for repetition in found})
    if len(folds) < 2:
        return "seed"
    return "fold" if len(seeds) < 2 else "run"
