"""Files are whole or not there."""

import json

import pytest

from lightsweep.files import write_json, write_whole


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})

    def failing(file):
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(path, failing)

    assert json.loads(path.read_text()) == {"a": 1}
    assert [found.name for found in tmp_path.iterdir()] == ["x.json"]


def test_numbers_that_json_does_not_have_become_null(tmp_path):
    path = tmp_path / "folder" / "x.json"

    write_json(path, {"a": float("nan"), "b": [float("inf"), 0.0], "c": None, "d": 0})

    assert json.loads(path.read_text()) == {"a": None, "b": [None, 0.0], "c": None, "d": 0}
