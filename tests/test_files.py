"""Files are whole or not there."""

import errno
import json
import os
import re
import sqlite3
import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest

from lightsweep.errors import RunFolderError
from lightsweep.files import discard_parts, link, make_folder, storage_error, write_csv, write_json, write_whole


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("link/a/b", "`k` {here}/link/a/b cannot be made: {here}/link is a link to what is not there; mend it"),
        ("file/a", "`k` {here}/file/a cannot be made: {here}/file is a file!"),
        ("file", "`k` {here}/file cannot be made: it is a file!"),
        ("sealed/a", "`k` {here}/sealed/a cannot be made: Permission denied!"),
        ("sealed", "`k` {here}/sealed cannot be written: Permission denied!"),
    ],
)
def test_what_keeps_a_folder_from_being_made_or_written_is_named(tmp_path, monkeypatch, place, text):
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "file").touch()
    (tmp_path / "sealed").mkdir()
    make = Path.mkdir

    def sealed(self, *args, **kwargs):  # root may write everywhere
        if self.parent.name == "sealed":
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        make(self, *args, **kwargs)

    def temporary(dir):
        raise PermissionError(errno.EACCES, "Permission denied", str(dir))

    monkeypatch.setattr(Path, "mkdir", sealed)
    monkeypatch.setattr("tempfile.TemporaryFile", temporary)

    with pytest.raises(RunFolderError, match=re.escape(text.format(here=tmp_path))):
        make_folder(tmp_path / place, "`k` ", "!")


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


def test_writers_with_one_process_id_do_not_take_each_others_part(tmp_path):
    path = tmp_path / "x.json"

    def meeting_another(file):
        write_whole(path, lambda other: other.write(b"other"))
        file.write(b"this")

    write_whole(path, meeting_another)

    assert path.read_bytes() == b"this"


def test_what_a_killed_writer_left_is_found(tmp_path):
    kept = {}

    def killed(file):
        kept["part"] = next(tmp_path.iterdir())
        kept["part"].with_name(kept["part"].name.replace("x.json", "y.json")).touch()

    write_whole(tmp_path / "x.json", killed)
    discard_parts(tmp_path)

    assert [found.name for found in tmp_path.iterdir()] == ["x.json"]


def test_numbers_that_json_does_not_have_become_null(tmp_path):
    path = tmp_path / "folder" / "x.json"

    write_json(path, {"a": float("nan"), "b": [float("inf"), 0.0], "c": None, "d": 0})

    assert json.loads(path.read_text()) == {"a": None, "b": [None, 0.0], "c": None, "d": 0}


def test_a_table_is_written_without_being_held(tmp_path):
    tracemalloc.start()
    try:
        write_csv(tmp_path / "x.csv", ((number, None, "ä,") for number in range(60_000)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (tmp_path / "x.csv").read_bytes().startswith('0,,"ä,"\n1,,"ä,"\n'.encode())
    assert peak < (tmp_path / "x.csv").stat().st_size


def test_what_is_no_utf_8_in_a_files_name_does_not_end_its_table(tmp_path):
    write_csv(tmp_path / "x.csv", [(os.fsdecode(b"caf\xe9.png"), "café")])

    assert (tmp_path / "x.csv").read_text(encoding="utf-8") == "caf\\udce9.png,café\n"


def test_a_second_name_is_given_again_without_leaving_a_third(tmp_path):
    source, target = tmp_path / "last", tmp_path / "best"
    source.write_text("weights")

    link(source, target)
    link(source, target)

    assert target.read_text() == "weights"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["best", "last"]


@pytest.mark.parametrize(("or_rename", "left"), [(False, ["best", "last"]), (True, ["best"])])
def test_without_hard_links_a_second_name_is_a_copy_or_the_only_one(tmp_path, monkeypatch, or_rename, left):
    def refused(*names):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    (tmp_path / "last").write_text("weights")

    link(tmp_path / "last", tmp_path / "best", or_rename)

    assert (tmp_path / "best").read_text() == "weights"
    assert sorted(found.name for found in tmp_path.iterdir()) == left


def test_a_second_name_that_cannot_be_given_leaves_nothing(tmp_path):
    (tmp_path / "last").write_text("weights")
    (tmp_path / "best").mkdir()

    with pytest.raises(OSError, match="directory"):
        link(tmp_path / "last", tmp_path / "best")

    assert sorted(found.name for found in tmp_path.iterdir()) == ["best", "last"]


@pytest.mark.parametrize(("statement", "number"), [("PRAGMA max_page_count=2", 28), ("PRAGMA query_only=1", 30)])
def test_a_disk_that_sqlite_finds_full_is_told_from_other_errors_of_its(tmp_path, statement, number):
    with closing(sqlite3.connect(tmp_path / "study.db")) as connection:
        connection.execute("CREATE TABLE kept (text TEXT)")
        connection.execute(statement)
        with pytest.raises(sqlite3.OperationalError, match=r"full|readonly") as full:
            connection.execute("INSERT INTO kept VALUES (?)", ["x" * 100_000])
        with pytest.raises(sqlite3.OperationalError, match="no such table") as other:
            connection.execute("SELECT * FROM lost")

    wrapped = RuntimeError("as Optuna raises it")
    wrapped.__cause__ = full.value
    assert storage_error(wrapped, tmp_path).errno == number
    assert storage_error(other.value, tmp_path) is None


def test_the_kind_of_an_error_of_sqlites_is_its_codes_last_byte(tmp_path):
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE

    assert storage_error(error, tmp_path).errno == errno.EIO
