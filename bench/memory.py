"""S9: the peak memory of the default run over that of the raw loop."""

import json
from collections.abc import Iterator

from bench.commands import baseline, training
from bench.measure import Goal, Row, Sample, alternating, ratio_row
from bench.options import Options

PAIRS = 3


def measure(options: Options) -> Iterator[Row]:
    """One row."""
    with training("trainer.max_epochs=1", "data.val_size=0") as (_, folder):
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    bf16 = ["--bf16"] if result["precision"] == "bf16-mixed" else []
    raw_loss = baseline("raw_loop", *bf16).json_line()["loss"]
    ours, raw = alternating(_ours, lambda: baseline("raw_loop", *bf16).peak_mib, options.pairs or PAIRS)
    yield ratio_row(
        "S9",
        "peak memory of the default run",
        Sample("ours", tuple(ours), "MiB"),
        Sample("raw", tuple(raw), "MiB"),
        Goal(1.25, at_most=True),
        compared=f"largest resident memory of `python train.py trainer.max_epochs=1` (validation, checkpoints, "
        f"TensorBoard and test included) against one epoch of the raw loop, the same ConvNet in {result['precision']}",
        checked=f"mean loss of the epoch on 60,000 images {result['train/loss']:.3f} and {raw_loss:.3f} with weights "
        "and orders of their own",
    )


def _ours() -> float:
    with training("trainer.max_epochs=1") as (outcome, _):
        return outcome.peak_mib
