"""The overhead meter: what its parts leave out of a command's wall time, and what it costs a step."""

import json
import time
from collections.abc import Iterable, Iterator
from statistics import median

from bench.commands import training
from bench.measure import Goal, Row, Sample, quantity_row
from bench.options import Options
from bench.session import session

PAIRS = 5
EPOCHS = 20
BATCHES = 20_000


def measure(options: Options) -> Iterator[Row]:
    """A row for the sum of the parts and one for the cost."""
    pairs = options.pairs or PAIRS
    yield quantity_row(
        "meter",
        "wall time that its parts leave out",
        Sample("left out", tuple(_left_out() for _ in range(pairs)), "%"),
        Goal(3, at_most=True, unit="%"),
        compared=f"`python train.py model=softmax_regression trainer.max_epochs={EPOCHS}`: the seconds from the start "
        "of the process to its end, seen from outside, against the sum of `seconds_by_part` in result.json; what is "
        "left out is the summary's printing and the interpreter's end",
    )
    step, costs = _step_and_costs(pairs)
    yield quantity_row(
        "meter",
        "cost of softmax regression's step",
        Sample("cost", tuple(100 * cost / step for cost in costs), "%"),
        Goal(1, at_most=True, unit="%"),
        compared="what the stepper adds to walk through a batch in order to tell data from arithmetic, over "
        f"{BATCHES:,} empty batches, against a training step of softmax regression, batch 100, {1e3 * step:.3f} ms",
    )


def _left_out() -> float:
    """Percent of a command's wall time."""
    with training("model=softmax_regression", f"trainer.max_epochs={EPOCHS}") as (outcome, folder):
        parts = json.loads((folder / "result.json").read_text(encoding="utf-8"))["seconds_by_part"]
    return 100 * abs(outcome.seconds - sum(parts.values())) / outcome.seconds


def _step_and_costs(pairs: int) -> tuple[float, list[float]]:
    """Seconds of a training step, and seconds that the meter adds to it."""
    with session("model=softmax_regression", f"trainer.max_epochs={pairs + 1}") as ours:
        ours.fit()
        steps = len(ours.parts.datamodule.order)
        epochs = list(zip(ours.before.epoch_starts, ours.after.last_batch_ends, strict=True))[1:]
        stepper = ours.parts.stepper
        costs = [
            max(0.0, _seconds(stepper._timed(iter([None] * BATCHES))) - _seconds(iter([None] * BATCHES))) / BATCHES
            for _ in range(pairs)
        ]
    return median(end - start for start, end in epochs) / steps, costs


def _seconds(batches: Iterable) -> float:
    began = time.perf_counter()
    for _ in batches:
        pass
    return time.perf_counter() - began
