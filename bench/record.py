"""S8: the test accuracy of `experiment=record`, and the minutes that a seed takes."""

import json
from collections.abc import Iterator
from statistics import mean

from bench.commands import training
from bench.measure import Goal, Row, Sample
from bench.options import Options


def measure(options: Options) -> Iterator[Row]:
    """A row for the accuracy and one for the time."""
    accuracies, minutes = [], []
    for seed in range(options.seeds):
        with training("experiment=record", f"seed={seed}") as (outcome, folder):
            accuracies.append(100 * json.loads((folder / "result.json").read_text(encoding="utf-8"))["test/acc"])
            minutes.append(outcome.seconds / 60)
    compared = f"`python train.py experiment=record`, seeds 0 to {options.seeds - 1}"
    yield _row("test accuracy, mean of the seeds", mean(accuracies), accuracies, Goal(99.75, False, "%"), compared)
    yield _row("minutes a seed, the longest", max(minutes), minutes, Goal(15, True, "min"), compared)


def _row(name: str, value: float, values: list[float], goal: Goal, compared: str) -> Row:
    sample = Sample("record", tuple(values), goal.unit)
    return Row("S8", name, value, (min(values), max(values)), len(values), goal, (sample,), compared)
