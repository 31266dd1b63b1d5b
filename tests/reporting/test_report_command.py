"""The command `report.py`: what it prints, and what it says to bad input."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def command(*words, cwd=ROOT):
    return subprocess.run(
        [sys.executable, str(ROOT / "report.py"), *words], cwd=cwd, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no folder is named: python report.py <folder of runs>"),
        (["nowhere"], "nowhere is no folder"),
        (["empty"], "no run in empty"),
        (["empty", "ot=x"], "`ot` is no known key; did you mean 'out'?"),
        (["empty", "target=high"], "`target` must be a number but got 'high'"),
    ],
)
def test_mistakes_of_the_command_line_are_one_line(tmp_path, words, message):
    (tmp_path / "empty").mkdir()
    done = command(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_command_prints_the_table_and_where_the_page_is(outputs, tmp_path):
    (outputs / "a0").rename(outputs / "lr=0.1,seed=0")  # as Hydra names the folders of a multirun
    done = command("outputs", "outputs/lr=0.1,seed=0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "| sgd | 3 of 3 | 92.0 ± 5.0 |" in done.stdout
    assert "report in outputs/report/report.html" in done.stdout
