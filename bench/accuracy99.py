"""S5: seconds from process start to 99 % test accuracy: the tutorial program's over those of `experiment=fast99`."""

import json
from collections.abc import Iterator
from statistics import median

from bench.commands import baseline, training
from bench.measure import Goal, Row, Sample
from bench.options import Options

WANTED = 0.99
PATIENCE_EPOCHS = 40
"""Epochs after which the tutorial program gives up by default."""


def measure(options: Options) -> Iterator[Row]:
    """One row; the two sides take turns, a seed each."""
    patience = options.epochs or PATIENCE_EPOCHS
    ours, theirs, accuracies, reached = [], [], [], []
    for seed in range(options.seeds):
        with training("experiment=fast99", f"seed={seed}") as (outcome, folder):
            accuracies.append(json.loads((folder / "result.json").read_text(encoding="utf-8"))["test/acc"])
            ours.append(outcome.seconds)
        if seed < (options.pairs or options.seeds):
            outcome = baseline("tutorial", "--epochs", str(patience), "--seed", str(seed), "--until", str(WANTED))
            found = outcome.json_line()
            theirs.append(outcome.seconds - sum(found["test_seconds"][:-1]))
            reached.append((len(found["epoch_seconds"]), found["test_accuracy"]))
    hits = sum(accuracy >= WANTED for accuracy in accuracies)
    ratios = [b / a for a, b in zip(ours, theirs, strict=False)]
    notes = [
        f"{hits} of {len(accuracies)} seeds reached 99 %: " + ", ".join(f"{100 * a:.2f} %" for a in accuracies),
        "the tutorial program: " + ", ".join(f"{100 * a:.2f} % after {n} epochs" for n, a in reached),
    ]
    if any(accuracy < WANTED for _, accuracy in reached):
        notes.append("where the tutorial program gave up, its time, and so the ratio, is a lower bound")
    if hits < len(accuracies):
        notes.append("the goal asks for all seeds, so it is missed whatever the ratio")
    yield Row(
        "S5",
        "to 99 % test accuracy, tutorial program",
        median(theirs) / median(ours) if hits == len(accuracies) else 0.0,
        (min(ratios), max(ratios)),
        len(ratios),
        Goal(12, at_most=False),
        (Sample("tutorial", tuple(theirs), "s"), Sample("ours", tuple(ours), "s")),
        compared="`python train.py experiment=fast99` from process start to end, against the tutorial program until "
        f"its test accuracy is 99 % (at most {patience} epochs); it tests after each epoch, and all but the "
        "last test are taken off its time. Different settings on purpose: each side's own way to the same accuracy",
        notes=tuple(notes),
    )
