"""Tables of their own for validation and test, beside the one that is trained on."""

import pytest
import torch

from lightsweep.data import CSV
from lightsweep.errors import ConfigError, DataError


def divided(tmp_path, **files):
    texts = {"train": "a,b,k\n" + "".join(f"{i},{i * i},{'xyz'[i % 3]}\n" for i in range(12))} | files
    for name, text in texts.items():
        (tmp_path / f"{name}.csv").write_text(text)
    return {name: str(tmp_path / f"{name}.csv") for name in texts}


def made(files, task="classification", target="k", **options):
    beside = {f"{name}_path": path for name, path in files.items() if name != "train"}
    own = {"val_size": "own"} if "val" in files else {}
    return CSV(files["train"], target, task, batch_size=4, **{**beside, **own, **options})


def test_validation_and_test_may_have_files_of_their_own(tmp_path):
    files = divided(tmp_path, val="k,note,b,a\nz,text,4,1\n", test="a,b,k\n2,9,y\n3,1,x\n")
    data = made(files)
    data.setup("fit")
    data.setup("test")

    whole = made({"train": files["train"]})
    assert data.validates
    assert data.tests
    torch.testing.assert_close(data.splits["train"].inputs, whole.load_train().inputs)
    mean, std = torch.tensor([5.5, 506 / 12]), torch.tensor([143 / 12, 0]).sqrt()
    assert data.splits["val"].targets.tolist() == [2]
    assert data.splits["val"].inputs[0, 0].item() == pytest.approx((1 - mean[0].item()) / std[0].item())
    assert data.splits["test"].targets.tolist() == [1, 0]


def test_numbers_to_be_told_may_have_files_of_their_own(tmp_path):
    files = divided(tmp_path, train="a,y\n1,2\n3,4\n5,6\n7,8\n", val="y,a\n10,5\n")
    data = made(files, "regression", "y")
    data.setup("fit")

    assert data.splits["val"].targets.tolist() == [[10.0]]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,bb,k\n1,2,x\n", r"val\.csv has no column 'b', an input of the run; did you mean 'bb'\?$"),
        ("a,b\n1,2\n", r"val\.csv has no column 'k', the target; it has 'a', 'b'$"),
        ("a,b,k\n1,2,x\n1,2,w\n", r"val\.csv: row 3, column 'k' is 'w', no class of the training rows"),
        ("a,b,k\n1,,x\n", r"val\.csv: row 2, column 'b' must be a finite number but is ''$"),
    ],
)
def test_a_file_beside_the_first_that_does_not_fit_is_named(tmp_path, text, told):
    with pytest.raises(DataError, match=told):
        made(divided(tmp_path, val=text)).setup("fit")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"val_size": "own"}, "`data.val_path` and `data.val_size=own` are given together or not at all"),
        ({"val_size": 3, "val_path": "x"}, "`data.val_path` and `data.val_size=own` are given together or not at all"),
        ({"test_size": 3, "test_path": "x"}, "`data.test_size` must be 0 where there is a `data.test_path` but got 3"),
    ],
)
def test_settings_about_files_that_contradict_each_other_are_refused(tmp_path, options, told):
    with pytest.raises(ConfigError) as error:
        made(divided(tmp_path), **options)

    assert str(error.value) == told
