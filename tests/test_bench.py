"""The benchmarks' own code: that a measure runs, checks its two sides against each other, and gives its row.

Nothing here looks at a time.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import step, turnaround
from bench.options import Options

ROOT = Path(__file__).resolve().parents[1]
FEW_BATCHES = ("trainer.limit_train_batches=4",)


def test_step_of_softmax_regression_is_bit_identical_to_the_raw_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "MODELS", {"softmax_regression": 1})
    monkeypatch.setattr(step, "LIMITS", {"softmax_regression": FEW_BATCHES})
    (row,) = step.measure(Options(pairs=1))
    assert row.checked == "after 100 steps: weights bit-identical; after 8: weights bit-identical"
    assert row.num_pairs == 1


def test_turnaround_is_measured() -> None:
    (row,) = turnaround.measure(Options(pairs=1))
    assert row.measure == "S7"
    assert row.num_pairs == 1


@pytest.mark.slow
def test_command_writes_its_table(tmp_path: Path) -> None:
    files = (tmp_path / "bench.json", tmp_path / "bench.md")
    arguments = ["--only", "S6", "--pairs", "1", "--json", str(files[0]), "--markdown", str(files[1])]
    subprocess.run([sys.executable, "-m", "bench", *arguments], check=True, cwd=ROOT)
    assert {row["measure"] for row in json.loads(files[0].read_text())["rows"]} == {"S6"}
    assert "| S6 | train.py --help |" in files[1].read_text()
