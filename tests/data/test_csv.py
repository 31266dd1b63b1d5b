"""CSV files: what is read from a good one, and which row and column of a bad one is named."""

from pathlib import Path

import pytest
import torch

from lightsweep.data import CSV
from lightsweep.errors import ConfigError, DataError
from tests.data.tables import written


def test_classification_orders_its_classes(table):
    data = CSV(str(table), "kind", "classification", batch_size=10, val_size=10, test_size=8)

    assert data.spec.class_names == ("no", "yes")
    assert data.spec.input_shape == (3,)
    assert data.load_train().targets.dtype == torch.int64
    assert (len(data.load_train()), len(data.load_test())) == (52, 8)


def test_numbers_as_classes_are_ordered_as_numbers(tmp_path):
    path = written(tmp_path, "x,k\n" + "\n".join(f"{i},{(2, 10, 1)[i % 3]}" for i in range(30)))

    assert CSV(path, "k", "classification", batch_size=5).spec.class_names == ("1", "2", "10")


def test_regression_reads_the_target_as_a_column_of_numbers(tmp_path):
    path = written(tmp_path, "a,y\n" + "\n".join(f"{i},{i / 4}" for i in range(20)))

    data = CSV(path, "y", "regression", batch_size=5)

    assert data.spec.num_classes is None
    assert data.load_train().targets.shape == (20, 1)
    assert sorted(data.load_train().targets.flatten().tolist()) == [i / 4 for i in range(20)]


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"val_size": 4},
        {"val_size": 4, "split_seed": 3, "stratified": True},
        {"fold": 1, "num_folds": 3},
        {"val_size": "own", "val_path": "table.csv"},
        {"val_size": "own", "val_path": "table.csv", "fold": 1},
    ],
)
def test_inputs_are_standardised_by_the_rows_that_are_trained_on_alone(tmp_path, monkeypatch, kept):
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text("a,same,y\n" + "\n".join(f"{i * i},7,{i % 2}" for i in range(30)))

    data = CSV("table.csv", "y", "classification", batch_size=5, test_size=6, **kept)
    data.dtype = torch.float64
    data.setup("fit")
    data.setup("test")
    train, val, test = (data.splits[split].inputs for split in ("train", "val", "test"))

    torch.testing.assert_close(train.mean(0), torch.zeros(2, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(train[:, 0].std(correction=0), torch.ones((), dtype=torch.float64))
    assert not train[:, 1].any(), "a constant column becomes 0"
    assert min(part[:, 0].mean().abs() for part in (val, test) if len(part)) > 1e-3


@pytest.mark.parametrize("scale", ["1e200", "1e308", "1e-200"])
def test_a_column_that_cannot_be_standardised_is_named(tmp_path, scale):
    path = written(tmp_path, "a,big,y\n" + "\n".join(f"{i},{i % 2}{scale[1:]},{i}" for i in range(20)))

    with pytest.raises(DataError, match=rf"^{path}: column 'big' cannot be standardised: its numbers are too large"):
        CSV(path, "y", "regression", batch_size=5)


def test_a_test_row_far_from_all_others_is_no_infinity(tmp_path):
    path = written(tmp_path, "a,y\n" + "\n".join(f"{1e60 if i == 7 else i},{i}" for i in range(20)))

    with pytest.raises(DataError, match=r"column 'a' cannot be standardised"):
        CSV(path, "y", "regression", batch_size=1, test_size=19)


def test_a_target_beyond_float32_is_refused(tmp_path):
    path = written(tmp_path, "a,y\n1,2\n2,1e39\n")

    with pytest.raises(DataError, match=rf"^{path}: column 'y' must hold numbers up to 3\.4e\+38 in size$"):
        CSV(path, "y", "regression", batch_size=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,y\n1,2\nx,3\n", r"row 3, column 'a' must be a finite number but is 'x'"),
        ("a,y\n1,2\n,3\n", r"row 3, column 'a' must be a finite number but is ''"),
        ("a,y\n1,2\nnan,3\n", r"row 3, column 'a' must be a finite number but is 'nan'"),
        ("a,y\n1,2\n2,inf\n", r"row 3, column 'y' must be a finite number but is 'inf'"),
        ("a,y\n1,2\n2,3,4\n", r"row 3 has 3 cells, the header has 2"),
        ("a,a,y\n1,2,3\n", r"two columns have the same name"),
        ("a,y\n", r"no rows below its header"),
        (",y\n1,2\n", r": column 1 has no name: name it, or leave it out, as pandas does its index with index=False$"),
        ("a,y, \n1,2,\n", r": column 3 has no name: "),
        ("y\n1\n", r"has the target column 'y' but no input column"),
        ("", r"has no header: its first line is empty"),
        ("\na,y\n1,2\n", r"has no header: its first line is empty"),
    ],
)
def test_a_bad_cell_is_named_by_row_and_column(tmp_path, text, message):
    path = written(tmp_path, text)

    with pytest.raises(DataError, match=message) as caught:
        CSV(path, "y", "regression", batch_size=1)

    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.csv is not there: give the path of a file$"):
        CSV(str(tmp_path / "nowhere.csv"), "y", "regression", batch_size=1)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "binary.csv"
    path.write_bytes(b"a,y\n\xff\xfe,1\n")

    with pytest.raises(DataError, match=r"is no CSV file in UTF-8"):
        CSV(str(path), "y", "regression", batch_size=1)


def test_a_target_that_is_no_column_gets_the_nearest(table):
    with pytest.raises(ConfigError, match=r"^`data\.target` 'kinds' is no column of .*; did you mean 'kind'\?$"):
        CSV(str(table), "kinds", "classification", batch_size=1)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a;b;y\n1;2;3\n", "; its header looks parted by semicolons, but must be by commas"),
        ("a\tb\ty\n1\t2\t3\n", "; its header looks parted by tabs, but must be by commas"),
        ("a;b;y\n1,5;2;3\n", "; its header looks parted by semicolons, but must be by commas"),
        ("first,second\n1,2\n", "; it has 'first', 'second'"),
        ("0,1,2,3,4,5,6,7,8,9,10,11\n" * 2, "'8', '9' and 2 more"),
    ],
)
def test_a_target_that_is_no_column_is_told_what_there_is(tmp_path, text, hint):
    with pytest.raises((ConfigError, DataError), match=f"{hint}$"):
        CSV(written(tmp_path, text), "y", "regression", batch_size=1)


def test_one_class_is_no_classification(tmp_path):
    path = written(tmp_path, "a,k\n1,same\n2,same\n")

    with pytest.raises(DataError, match=r"column 'k' holds one class alone, 'same'"):
        CSV(path, "k", "classification", batch_size=1)


def test_a_target_of_many_numbers_is_no_class(tmp_path):
    text = "a,y\n" + "".join(f"{i},{i / 4}\n" for i in range(8))
    with pytest.raises(
        ConfigError, match=r"^`data\.task` must be regression for column 'y' of .* 8 different numbers in 8"
    ):
        CSV(written(tmp_path, text), "y", "classification", batch_size=1)

    rated = text + "".join(f"{i},{i / 4}\n" for i in range(8))
    assert CSV(written(tmp_path, rated), "y", "classification", batch_size=1).spec.num_classes == 8


@pytest.mark.parametrize(("first", "second"), [("yes", "yes "), (" no", "no"), (" 1", "1")])
def test_two_spellings_of_a_class_are_named(tmp_path, first, second):
    path = written(tmp_path, f"a,k\n1,{first}\n2,{second}\n3,2\n")

    with pytest.raises(DataError, match=rf"classes '{first}' and '{second}' of 'k' differ by blanks alone$"):
        CSV(path, "k", "classification", batch_size=1)


def test_a_test_set_of_all_rows_is_refused(table):
    with pytest.raises(ConfigError, match=r"^`data\.test_size` must be below the 60 rows of .* but got 60$"):
        CSV(str(table), "kind", "classification", batch_size=1, test_size=60)


def test_a_task_that_is_none_is_refused(table):
    with pytest.raises(ConfigError, match=r"^`data\.task` must be classification or regression but got 'both'$"):
        CSV(str(table), "kind", "both", batch_size=1)


def test_testing_without_test_rows_is_refused(table):
    data = CSV(str(table), "kind", "classification", batch_size=5)

    assert not data.tests
    with pytest.raises(ConfigError, match=r"^`data\.test_size` is 0, so there is no test set"):
        data.load_test()
    assert CSV(str(table), "kind", "classification", batch_size=5, test_size=8).tests


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["nan", "3", "1", "10", "b"], ("1", "10", "3", "b", "nan")),
        (["nan", "3", "1", "10"], ("1", "10", "3", "nan")),
        (["inf", "3", "10"], ("10", "3", "inf")),
        (["1.0", "10", "1", "9"], ("1", "1.0", "9", "10")),
    ],
)
def test_classes_that_are_not_all_finite_numbers_are_ordered_as_texts(tmp_path, labels, classes):
    for order in (labels, labels[::-1]):
        path = written(tmp_path, "a,k\n" + "".join(f"{i},{label}\n" for i, label in enumerate(order)))
        assert CSV(path, "k", "classification", batch_size=1).spec.class_names == classes


@pytest.mark.parametrize("cell", ["", "  "])
def test_an_empty_cell_is_no_class(tmp_path, cell):
    path = written(tmp_path, f"a,k\n1,yes\n2,{cell}\n3,no\n")

    with pytest.raises(DataError, match=f"row 3, column 'k' must name a class but is '{cell}'$"):
        CSV(path, "k", "classification", batch_size=1)


def test_empty_lines_are_passed_over_and_counted(tmp_path):
    path = written(tmp_path, "a,y\n1,2\n\n2,3\n\n")
    assert len(CSV(path, "y", "regression", batch_size=1).load_train()) == 2

    path = written(tmp_path, "a,y\n1,2\n\n2,x\n")
    with pytest.raises(DataError, match="row 4, column 'y' must be a finite number"):
        CSV(path, "y", "regression", batch_size=1)
