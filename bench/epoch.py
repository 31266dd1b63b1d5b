"""S2: an epoch of the ConvNet, the tutorial program's against ours."""

import json
from collections.abc import Iterator

from bench.agreement import our_loss, relative_difference, tutorial_loss
from bench.commands import baseline, training
from bench.measure import Goal, Row, Sample, alternating, ratio_row
from bench.options import Options

PAIRS = 5
CHECKED_STEPS = 50
MATHEMATICS = (
    "ConvNet 32/64 filters 3 × 3, SGD lr 0.01 momentum 0.9, batch 100, 60,000 images an epoch (data.val_size=0). "
    "The tutorial program: torchvision with ToTensor, a DataLoader, fp32, ReLU then pooling, loss.item() at each step. "
    "`python train.py`: its defaults, so normalised inputs, pooling then ReLU (the same function), channels-last, "
    "and bf16 where the hardware has it"
)


def agreement(measure: str) -> str:
    """Check that both programs train the same in fp32 on inputs in [0, 1], and say how equal they are."""
    ours, theirs = our_loss("data.mean=0.0", "data.std=1.0", steps=CHECKED_STEPS, against=tutorial_loss)
    apart = relative_difference(measure, ours, theirs, tolerance=1e-3)
    return (
        f"mean loss of {CHECKED_STEPS} steps from the same weights through the same batches, both fp32 on inputs in "
        f"[0, 1]: {ours:.6f} and {theirs:.6f} (relative difference {apart:.1g})"
    )


def measure(options: Options) -> Iterator[Row]:
    """One row."""
    checked = agreement("S2")
    ours, theirs = alternating(_ours, _tutorial, options.pairs or PAIRS)
    yield ratio_row(
        "S2",
        "epoch of the ConvNet, tutorial program",
        Sample("tutorial", tuple(theirs), "s"),
        Sample("ours", tuple(ours), "s"),
        Goal(4, at_most=False),
        compared=f"{MATHEMATICS}. The first epoch of a fresh process on both sides; ours includes the checkpoint, "
        "logging and the bar on a pseudo-terminal",
        checked=checked,
    )


def _ours() -> float:
    with training("data.val_size=0", "trainer.max_epochs=1", "test=false", callback="EpochSeconds") as (_, folder):
        return json.loads((folder / "moments.json").read_text(encoding="utf-8"))[0]


def _tutorial() -> float:
    return baseline("tutorial", "--epochs", "1").json_line()["epoch_seconds"][0]
