"""S4: an epoch the conventional Lightning way against ours."""

import json
from collections.abc import Iterator
from statistics import mean

import torch

from bench.agreement import conventional_loss, our_loss, relative_difference
from bench.commands import baseline, training
from bench.measure import Goal, Row, Sample, alternating, ratio_row
from bench.options import Options

PAIRS = 5
EPOCHS = 2
OVERRIDES = ("model=mlp", "model.widths=[64,128,64]", "model.batch_norm=true", "optimizer=adam", "data.batch_size=128")
CHECKED_STEPS = 50


def measure(options: Options) -> Iterator[Row]:
    """One row."""
    ours, theirs = our_loss(*OVERRIDES, steps=CHECKED_STEPS, against=conventional_loss)
    apart = relative_difference("S4", ours, theirs, tolerance=5e-3)
    ours_s, theirs_s = alternating(_ours, _conventional, options.pairs or PAIRS)
    yield ratio_row(
        "S4",
        "epoch of the MLP, conventional Lightning",
        Sample("conventional", tuple(theirs_s), "s"),
        Sample("ours", tuple(ours_s), "s"),
        Goal(10, at_most=False),
        compared="MLP 784-64-128-64-10 with batch norm, Adam (lr 0.001), batch 128, fp32, 55,000 training and 5,000 "
        f"validation images: a whole epoch with validation, checkpoint and TensorBoard, mean of {EPOCHS}; "
        "the conventional program converts and normalises image by image in a DataLoader without workers, updates "
        "torchmetrics and self.log at each step and draws a rich bar; ours is `python train.py` with its defaults; "
        "both draw their bars on a pseudo-terminal",
        checked=f"mean loss of {CHECKED_STEPS} steps from the same weights through the same batches: "
        f"{ours:.6f} and {theirs:.6f} (relative difference {apart:.1g}; Adam divides by the gradient's "
        "size, which makes rounding visible)",
        notes=(f"{torch.get_num_threads()} threads for arithmetic on both sides",),
    )


def _ours() -> float:
    with training(*OVERRIDES, f"trainer.max_epochs={EPOCHS}", "test=false", callback="EpochSeconds") as (_, folder):
        return mean(json.loads((folder / "moments.json").read_text(encoding="utf-8")))


def _conventional() -> float:
    return mean(baseline("conventional_lightning", "--epochs", str(EPOCHS)).json_line()["epoch_seconds"])
