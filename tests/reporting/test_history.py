"""The rows of `metrics.csv` read back, whole or damaged."""

import csv
import tracemalloc

import numpy as np
import pytest

from lightsweep.paths import RunPaths
from lightsweep.reporting.history import columns, rows


@pytest.fixture
def metrics(make_run):
    return RunPaths(make_run("a", curve=[0.1, 0.2])).metrics


def values(path):
    return [row["val/acc"] for row in rows(path) if "val/acc" in row]


def test_half_written_row_is_left_out(metrics):
    with metrics.open("a") as file:
        file.write("300,3,7.5,0.9")  # the rest of 0.93 was not written
    assert values(metrics) == [0.1, 0.2]


def test_damaged_row_hides_none_of_the_others(make_run):
    path = RunPaths(make_run("b", curve=[0.1, *[0.2] * 20_000])).metrics
    path.write_text(path.read_text().replace("\n100,1,", '\n"100,1,', 1))
    assert [row["step"] for row in rows(path) if "val/acc" in row] == list(range(200, 2_000_200, 100))


def test_a_reader_of_its_own_is_for_rows_with_quotations_alone(metrics, monkeypatch):
    with metrics.open("a") as file:
        file.write('5100,51,"127.5",,0.3\n\n5200,52,130.0,0.25\n')
    read, reader = [], csv.reader
    monkeypatch.setattr(csv, "reader", lambda lines: read.extend(lines) or reader(lines))

    found = list(rows(metrics))

    assert len(found) == 5
    assert [row.get("seconds") for row in found[-3:]] == [127.5, None, 130.0]
    assert read == ['5100,51,"127.5",,0.3']


def test_values_that_are_no_finite_numbers_are_left_out(metrics):
    with metrics.open("a") as file:
        file.write("300,3,7.5,nan\r\n400,4,1e301,a word\n500,5,12.5,0.5\n")
    assert values(metrics) == [0.1, 0.2, 0.5]
    assert list(rows(metrics))[-2] == {"step": 400, "epoch": 4}


def test_columns_are_as_long_as_the_file_and_nan_where_a_row_has_no_number(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("step,late,never,early\n1,,,0.5\n2,0.25,,\n3,,,\n")
    found = columns(path)
    assert set(found) == {"step", "late", "early"}
    np.testing.assert_array_equal(found["late"], [np.nan, 0.25, np.nan])
    np.testing.assert_array_equal(found["early"], [0.5, np.nan, np.nan])


def test_no_rows_are_held_in_memory(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("step,val/acc\n" + "1000000,0.123456789\n" * 20_000)
    tracemalloc.start()
    found = columns(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found["step"]) == 20_000
    assert peak < 1e6  # their numbers are 0.3 MB, rows as mappings 5


def test_a_file_that_is_not_there_has_no_rows(tmp_path):
    assert columns(tmp_path / "metrics.csv") == {}
