"""S6: how soon a command answers that needs no training: help, the composed configuration, a mistake."""

import shlex
from collections.abc import Iterator

from bench.commands import run
from bench.measure import Goal, Row, Sample, quantity_row
from bench.options import Options

QUESTIONS = {"--help": 0, "--cfg job": 0}
MISTAKES = (
    "optimizer=admn",
    "optimizer.lr=-1",
    "optimizer.momentun=0.9",
    "trainer.max_epochs=ten",
    "trainer.precision=16",
    "data.batch_size=0",
    "monitor=val/acc data.val_size=0",
    "modle=mlp",
)
"""What a configuration alone can show to be wrong; each ends with exit code 2."""

READINGS = 5


def measure(options: Options) -> Iterator[Row]:
    """A row for each question, and one for the slowest mistake."""
    readings = options.pairs or READINGS
    for question, code in QUESTIONS.items():
        yield _row(f"train.py {question}", _seconds(question, code, readings), [(question, code)])
    mistakes = {words: _seconds(words, 2, readings) for words in MISTAKES}
    slowest = max(mistakes, key=lambda words: sorted(mistakes[words])[readings // 2])
    name = f"train.py with a mistake (slowest of {len(MISTAKES)}: {slowest})"
    yield _row(name, mistakes[slowest], [(words, 2) for words in MISTAKES])


def _row(name: str, seconds: list[float], commands: list[tuple[str, int]]) -> Row:
    importing = [words for words, code in commands if _imports_torch(words, code)]
    checked = f"torch is imported by: {', '.join(importing)}" if importing else "torch is not imported"
    goal = Goal(1, at_most=True, unit="s")
    row = quantity_row(
        "S6",
        name,
        Sample("command", tuple(seconds), "s"),
        goal,
        compared="seconds from the start of `python train.py …` to its end",
        checked=checked,
    )
    return row if not importing else Row(**{**vars(row), "notes": ("the goal asks that torch is not imported",)})


def _seconds(words: str, code: int, readings: int) -> list[float]:
    return [run("train.py", *shlex.split(words), terminal=False, expect=code).seconds for _ in range(readings)]


def _imports_torch(words: str, code: int) -> bool:
    """Python's own list of imports says so."""
    outcome = run("-X", "importtime", "train.py", *shlex.split(words), terminal=False, expect=code)
    return any(line.rpartition("|")[2].strip() == "torch" for line in outcome.output.splitlines())
