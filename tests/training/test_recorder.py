"""metrics.csv: columns may come late, and a resumed run forgets what it will write again."""

import csv

import pytest

from lightsweep.training.clock import Clock
from lightsweep.training.recorder import Recorder


@pytest.fixture
def recorder(tmp_path):
    return Recorder(tmp_path / "metrics.csv", [], Clock())


def rows(recorder):
    with recorder.path.open() as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def test_a_column_that_comes_later_is_empty_before(recorder):
    recorder.log(1, 0.5, {"train/loss": 2.0})
    recorder.log(2, 1.0, {"val/loss": 1.0})

    assert rows(recorder) == [
        {"step": "1", "epoch": "0.5", "train/loss": "2.0", "val/loss": ""},
        {"step": "2", "epoch": "1.0", "train/loss": "", "val/loss": "1.0"},
    ]


def test_numbers_are_written_exactly(recorder):
    recorder.log(1, 1.0, {"train/loss": 0.1 + 0.2})

    assert float(rows(recorder)[0]["train/loss"]) == 0.1 + 0.2


def test_rewinding_forgets_later_rows_and_keeps_the_columns(recorder, tmp_path):
    for step, name in ((1, "train/loss"), (2, "train/loss"), (2, "val/loss"), (3, "train/loss")):
        recorder.log(step, step / 3, {name: float(step)})
        if (step, name) == (2, "train/loss"):
            state = recorder.state_dict()
    with recorder.path.open("a") as file:
        file.write("4,1.")  # as a full disk leaves a row

    resumed = Recorder(recorder.path, [], Clock())
    resumed.rewind(state)
    resumed.log(3, 1.0, {"train/loss": 9.0})

    assert [(row["step"], row["train/loss"]) for row in rows(resumed)] == [("1", "1.0"), ("2", "2.0"), ("3", "9.0")]


def test_a_process_that_is_not_the_first_writes_nothing(tmp_path):
    Recorder(tmp_path / "metrics.csv", [], Clock(), active=False).log(1, 1.0, {"train/loss": 1.0})

    assert not list(tmp_path.iterdir())
