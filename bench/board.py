"""board: what a run takes with all that TensorBoard shows, against the same run without a logger."""

import json
from collections.abc import Iterator
from pathlib import Path

from bench.commands import training
from bench.measure import Goal, Row, Sample, alternating, ratio_row
from bench.options import Options

EPOCHS = {"softmax_regression": 10, "convnet": 3}
PAIRS = 5


def measure(options: Options) -> Iterator[Row]:
    """A row for each model."""
    for model, epochs in EPOCHS.items():
        yield _row(model, epochs, options.pairs or PAIRS)


def _row(model: str, epochs: int, num_pairs: int) -> Row:
    overrides = (f"model={model}", f"trainer.max_epochs={epochs}")
    accuracies: set[float] = set()

    def seconds(logger: str) -> float:
        with training(*overrides, f"logger={logger}") as (_, folder):
            result = json.loads((Path(folder) / "result.json").read_text(encoding="utf-8"))
        accuracies.add(result["test/acc"])
        return result["seconds"] - result["seconds_by_part"]["startup"]

    shown, plain = alternating(lambda: seconds("tensorboard"), lambda: seconds("none"), num_pairs)
    if len(accuracies) != 1:
        raise RuntimeError(f"board: the runs do not end alike: {sorted(accuracies)}")
    return ratio_row(
        "board",
        f"run with TensorBoard, {model}",
        Sample("tensorboard", tuple(shown), "s"),
        Sample("no logger", tuple(plain), "s"),
        Goal(1.03, at_most=True),
        compared=f"`python train.py {' '.join(overrides)}` with logger=tensorboard and its defaults (norms, times, "
        "predictions, graph, HParams) against logger=none: the run's wall time after its start-up, test included",
        checked=f"all {2 * num_pairs} runs reach the same test accuracy, {accuracies.pop():.4f}",
    )
