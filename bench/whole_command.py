"""S3: the whole command, from process start to test accuracy, the tutorial program's against ours."""

from collections.abc import Iterator

from bench.commands import baseline, training
from bench.epoch import MATHEMATICS, agreement
from bench.measure import Goal, Row, Sample, alternating, ratio_row
from bench.options import Options

PAIRS = 5
GOAL_EPOCHS = 10


def measure(options: Options) -> Iterator[Row]:
    """One row."""
    epochs = options.epochs or GOAL_EPOCHS
    checked = agreement("S3")

    def ours() -> float:
        with training("data.val_size=0", f"trainer.max_epochs={epochs}") as (outcome, _):
            return outcome.seconds

    def theirs() -> float:
        return baseline("tutorial", "--epochs", str(epochs)).seconds

    ours_s, theirs_s = alternating(ours, theirs, options.pairs or PAIRS)
    shortened = f"{epochs} epochs instead of the goal's {GOAL_EPOCHS}: start-up weighs more than it should"
    yield ratio_row(
        "S3",
        f"whole command, {epochs} epochs, tutorial program",
        Sample("tutorial", tuple(theirs_s), "s"),
        Sample("ours", tuple(ours_s), "s"),
        Goal(3.5, at_most=False),
        compared=f"{MATHEMATICS}. Seconds from the start of the process to its end, test included",
        checked=checked,
        notes=(shortened,) if epochs < GOAL_EPOCHS else (),
    )
