"""What a run's `data.json` must hold to be used."""

import pytest

from lightsweep.data.description import Description
from lightsweep.errors import RunFolderError
from lightsweep.paths import RunPaths


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("input_shape", "[1.5]", r"`input_shape` must be a list of whole numbers above 0 but is \[1\.5\]"),
        ("input_shape", '"12"', "`input_shape` must be"),
        ("num_classes", '"ten"', "`num_classes` must be a whole number above 0, or null for regression but is 'ten'"),
        ("num_classes", "true", "`num_classes` must be"),
        ("num_classes", "2", "`class_names` must name 2 classes but names 0"),
        ("mean", '"x"', "`mean` must be a number, or a list of them but is 'x'"),
        ("mean", "NaN", "`mean` must be a number"),
        ("std", "0", "`std` must be a number above 0, or a list of them but is 0"),
        ("std", "1" + 400 * "0", "`std` must be a number above 0"),
        ("std", "[1.0, 0.0]", "`std` must be"),
        ("mean", "[0.5, 0.5]", r"`mean` must be a number, or a list of one a channel, but is \[0\.5, 0\.5\]"),
        ("column_stds", "[1.0, 0.0]", "`column_stds` must be a list of numbers above 0"),
        ("transposed", '"no"', "`transposed` must be true or false but is 'no'"),
    ],
)
def test_a_value_of_a_description_that_cannot_be_used_is_named(tmp_path, key, value, text):
    values = {"input_shape": "[1]", "num_classes": "null", "class_names": "[]", "mean": "0", "std": "1"} | {key: value}
    lines = ", ".join(f'"{name}": {written}' for name, written in values.items())
    (tmp_path / "data.json").write_text(f"{{{lines}}}")

    with pytest.raises(RunFolderError, match=rf"data\.json is damaged: {text}"):
        Description.read(RunPaths(tmp_path))


@pytest.mark.parametrize(("mean", "std"), [(0.5, 0.25), ((0.1, 0.2, 0.3), (0.5, 0.6, 0.7))])
def test_what_is_read_is_what_was_saved(tmp_path, mean, std):
    saved = Description((3, 8, 8), 2, ("a", "b"), mean, std)
    saved.save(RunPaths(tmp_path))

    assert Description.read(RunPaths(tmp_path)) == saved
