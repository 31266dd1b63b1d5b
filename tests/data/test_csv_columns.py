"""CSV files: which columns are inputs, and how new rows are brought to them by their names."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lightsweep.data import CSV, table
from lightsweep.data.description import Description
from lightsweep.data.table import Table
from lightsweep.errors import ConfigError, DataError, RunFolderError
from lightsweep.paths import RunPaths
from tests.data.tables import written


def test_a_description_tells_how_a_new_row_is_brought_to_the_inputs(tmp_path):
    path = written(tmp_path, "a,y,same,b\n" + "\n".join(f"{i * i},{i},0.1,{-i}" for i in range(41)))
    data = CSV(path, "y", "regression", batch_size=5, test_size=5)
    paths = RunPaths(tmp_path)

    data.describe().save(paths)
    told = Description.read(paths)

    assert told == data.describe()
    assert told.columns == ("a", "same", "b")
    means, stds = (torch.tensor(values, dtype=torch.float64) for values in (told.column_means, told.column_stds))
    for arrays in (data.load_train(), data.load_test()):
        y = arrays.targets[:, 0]
        rows = torch.stack([y * y, torch.full_like(y, 0.1), -y], 1)
        torch.testing.assert_close(arrays.inputs, (rows - means) / stds)
        assert not arrays.inputs[:, 1].any(), "a constant column becomes 0, which rounding must not undo"


@pytest.fixture
def described(tmp_path):
    """What a run on a table with the inputs `a` and `b` remembers of it."""
    path = written(tmp_path, "a,y,b\n" + "\n".join(f"{i},{i},{10 * i}" for i in range(21)))
    return CSV(path, "y", "regression", batch_size=5).describe()


def test_new_rows_are_read_by_the_names_of_their_columns(described, tmp_path):
    wanted = torch.tensor([[0.0, 0.0], [10.0, 100.0]], dtype=torch.float64)
    wanted = (wanted - wanted.new_tensor(described.column_means)) / wanted.new_tensor(described.column_stds)

    for text in ("a,b\n0,0\n10,100\n", "b,other,a,y\n0,x,0,\n100,,10,?\n"):
        found = described.rows(Table.read(Path(written(tmp_path, text))))
        torch.testing.assert_close(found, wanted, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,bb\n1,2\n", r"has no column 'b', an input of the run; did you mean 'bb'\?"),
        ("a,y\n1,2\n", r"has no column 'b', an input of the run; it has 'a', 'y'"),
        ("a;b\n1;2\n", r"has no column 'a', an input .*; its header looks parted by semicolons, but must be by commas"),
        ("a,b\n1,2\n1,one\n", r": row 3, column 'b' must be a finite number but is 'one'"),
        ("b,a\n1,2\n\n1e300,2\n", r": row 4, column 'b' is 1e\+300, too far from the 100 of the run's training rows"),
        ("a,b\n", r"has no rows below its header"),
        ("", r"has no header: its first line is empty"),
    ],
)
def test_new_rows_that_do_not_fit_are_one_line(described, tmp_path, text, message):
    path = written(tmp_path, text)

    with pytest.raises(DataError, match=rf"^{path}\b ?{message}$"):
        described.rows(Table.read(Path(path)))


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("column_means", [0.0], r"`column_means` must hold a number for each of 2 columns but holds 1"),
        ("column_stds", [], r"`column_stds` must hold a number for each of 2 columns but holds 0"),
        ("input_shape", [3], r"`input_shape` must be \[2\], as there are 2 columns, but is \[3\]"),
    ],
)
def test_a_description_whose_columns_do_not_fit_each_other_is_damaged(described, tmp_path, key, value, text):
    paths = RunPaths(tmp_path)
    replace(described, **{key: value}).save(paths)

    with pytest.raises(RunFolderError, match=rf"data\.json is damaged: {text}$"):
        Description.read(paths)


def test_a_description_without_columns_is_read(tmp_path):
    (tmp_path / "data.json").write_text(
        '{"input_shape": [1], "num_classes": null, "class_names": [], "mean": 0.0, "std": 1.0}'
    )

    assert Description.read(RunPaths(tmp_path)).columns == ()


@pytest.fixture
def labelled(tmp_path):
    """A table with columns that are no inputs: a text, and one of numbers, by the number 7."""
    path = tmp_path / "labelled.csv"
    path.write_text("id,a,7,y,b\n" + "\n".join(f"row {i},{i},{-i},{i},{10 * i}" for i in range(21)))
    return str(path)


def test_ignored_columns_are_no_inputs(labelled, described):
    data = CSV(labelled, "y", "regression", batch_size=5, ignore=["id", 7])

    assert data.describe() == described
    assert len(data.load_train().inputs) == 21


def test_tables_beside_need_no_ignored_columns(labelled, tmp_path):
    (tmp_path / "beside.csv").write_text("b,y,a\n10,3,2\n")
    beside = str(tmp_path / "beside.csv")

    data = CSV(
        labelled, "y", "regression", batch_size=5, ignore=["id", "7"],
        val_size="own", val_path=beside, test_path=beside,
    )  # fmt: skip

    rows = data.describe().rows(Table.read(Path(beside)))
    torch.testing.assert_close(data.load_val().inputs, rows)
    torch.testing.assert_close(data.load_test().inputs, rows)


def test_a_column_without_a_name_can_be_ignored(tmp_path):
    path = written(tmp_path, ",a,y\n" + "\n".join(f"{i},{i},{i}" for i in range(20)))

    assert CSV(path, "y", "regression", batch_size=5, ignore=[""]).describe().columns == ("a",)


@pytest.mark.parametrize(
    ("ignore", "told"),
    [
        (["7"], r".*: row 2, column 'id' must be .* is 'row 0'; if that column is no input, add it to `data\.ignore`"),
        (["ids", "7"], r"`data\.ignore` names 'ids', no column of .*labelled\.csv; did you mean 'id'\?"),
        (["id", "y"], r"`data\.ignore` must not name the target column 'y'"),
        (["id", "a", "7", "b"], r"`data\.ignore` must leave an input column of .*labelled\.csv but names all of them"),
    ],
)
def test_what_cannot_be_ignored_is_one_line(labelled, ignore, told):
    with pytest.raises((ConfigError, DataError), match=f"^{told}$"):
        CSV(labelled, "y", "regression", batch_size=5, ignore=ignore)


def test_a_target_that_is_no_number_is_not_told_to_be_ignored(tmp_path):
    with pytest.raises(DataError, match=r"column 'y' must be a finite number but is 'x'$"):
        CSV(written(tmp_path, "a,y\n1,2\n2,x\n"), "y", "regression", batch_size=1)


def test_a_file_is_gone_through_once_for_itself_its_labels_and_its_inputs(labelled, monkeypatch):
    passes, lines = [], table._lines
    monkeypatch.setattr(table, "_lines", lambda content: passes.append(1) or lines(content))

    CSV(labelled, "y", "classification", batch_size=5, ignore=["id"])

    assert len(passes) == 3


def test_a_table_takes_little_more_memory_than_its_file_and_its_numbers(tmp_path):
    columns = [f"x{index}" for index in range(10)]
    line = ",".join(f"0.{index}2345" for index in range(10))
    path = Path(written(tmp_path, "\n".join([",".join(columns), *[line] * 3000])))

    tracemalloc.start()
    try:
        numbers = Table.read(path).numbers(columns)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert numbers[2999].tolist() == [float(cell) for cell in line.split(",")]
    assert peak < 2 * (path.stat().st_size + numbers.nbytes)


class Names(list):
    """Column names that are not looked through once for each column: of 100,000 that takes minutes."""

    def index(self, *_):
        raise AssertionError("looked through for one of many columns")

    __contains__ = index


def test_many_columns_are_found_without_a_look_through_all_for_each(tmp_path):
    path = written(tmp_path, "a,b,y\n1,2,3\n4,6,9\n5,5,4\n")
    data = CSV(path, "y", "regression", batch_size=1, test_size=1)
    read = Table.read(Path(path))

    assert data.describe().rows(replace(read, columns=Names(read.columns))).shape == (3, 2)
