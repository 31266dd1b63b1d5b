"""S6b: from the process's start to the first training step of the default run."""

import json
from collections.abc import Iterator

from bench.commands import baseline, training
from bench.measure import Goal, Row, Sample, alternating, ratio_row
from bench.options import Options

PAIRS = 5


def measure(options: Options) -> Iterator[Row]:
    """One row."""
    precision, loss = _ours()[1:]
    bf16 = ["--bf16"] if precision == "bf16-mixed" else []
    bare_loss = baseline("bare_start", *bf16).json_line()["loss"]
    ours, bare = alternating(lambda: _ours()[0], lambda: _bare(bf16), options.pairs or PAIRS)
    yield ratio_row(
        "S6b",
        "process start to first step",
        Sample("ours", tuple(ours), "s"),
        Sample("bare", tuple(bare), "s"),
        Goal(1.6, at_most=True),
        compared=f"`python train.py` against a script that imports torch and torchvision, reads MNIST, normalises it "
        f"and takes the same ConvNet step on 100 images ({precision}, channels-last, fused SGD); one run of each "
        "before the timing fills the file cache",
        checked=f"the first step's loss is {loss:.2f} and {bare_loss:.2f}, both near ln 10 = 2.30: the weights are "
        "drawn independently",
    )


def _ours() -> tuple[float, str, float]:
    """Seconds, the precision as resolved, and the first loss."""
    with training("trainer.max_steps=1", "test=false", "trainer.limit_val_batches=1", callback="FirstStep") as (
        run,
        folder,
    ):
        moment = json.loads((folder / "moments.json").read_text(encoding="utf-8"))
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return moment - run.started, result["precision"], result["train/loss"]


def _bare(bf16: list[str]) -> float:
    outcome = baseline("bare_start", *bf16)
    return outcome.json_line()["moment"] - outcome.started
