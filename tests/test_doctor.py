"""What `doctor` says of a machine that is fit for runs, and of one that is not."""

import shutil
import sqlite3
import sys
from collections import namedtuple
from contextlib import closing
from unittest.mock import Mock

import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import StatementError

from lightsweep.cli import doctor, train
from lightsweep.paths import home


@pytest.fixture
def examined(monkeypatch, capsys, tmp_path):
    """Runs `train.py doctor` in an empty folder; gives exit code, the lines and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["train.py", "doctor", *map(str, words)])
        code = 0
        try:
            train()
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        return code, [" ".join(line.split()) for line in out.splitlines()], err

    return run


def begins(lines, *starts):
    return [line for line in lines if line.startswith(starts)]


def test_a_machine_that_is_fit(examined, tmp_path):
    data = tmp_path / "mine" / "MNIST"
    shutil.copytree(home() / "data" / "MNIST", data)
    storage = tmp_path / "studies.db"
    sqlite3.connect(storage).close()
    storage.touch()

    code, lines, err = examined(f"data={tmp_path / 'mine'}", f"storage=sqlite:///{storage}")

    assert (code, err) == (0, ""), lines
    assert not begins(lines, "problem")
    assert begins(lines, f"ok mnist 60,000 training and 10,000 test images in {data / 'raw'}, verified")
    assert begins(lines, "note fashion_mnist")
    for what in ("python", "packages", "cpu", "disk", "write", "tensorboard", "optuna"):
        assert len(begins(lines, f"ok {what} ")) == 1, what
    assert not list((tmp_path / "outputs").iterdir())
    with closing(sqlite3.connect(storage)) as study:
        assert study.execute("select count(*) from studies").fetchone() == (0,)


def test_a_machine_that_lacks_much_is_told_what_to_do(examined, tmp_path, mnist_root, monkeypatch):
    shutil.copytree(mnist_root / "MNIST", tmp_path / "mine" / "MNIST")
    labels = tmp_path / "mine" / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1])
    (tmp_path / "no folder").write_text("")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: namedtuple("usage", "free")(2**29))

    code, lines, err = examined(
        f"data={tmp_path / 'mine'}", f"outputs={tmp_path / 'no folder'}", "storage=postgresql://me:secret@127.0.0.1:1/x"
    )

    assert (code, err) == (1, "error: 4 problems; what to do stands after each arrow\n"), lines
    assert begins(lines, f"problem mnist {labels}")
    assert begins(lines, "problem disk 0.5 GiB free")
    assert begins(lines, "problem write ")
    assert begins(lines, "problem optuna ")
    assert len(begins(lines, "→")) == 4 + 2  # two data sets more can be downloaded
    assert "secret" not in "".join(lines)


def test_a_package_that_is_too_old_is_named(monkeypatch):
    monkeypatch.setattr("lightsweep.cli.doctor.requires", lambda name: ["torch>=99", "nothing-like-it>=1", "rich"])

    found = [(finding.state, finding.what) for finding in doctor.versions()]

    assert found == [("ok", "python"), ("problem", "torch"), ("problem", "nothing-like-it"), ("ok", "packages")]


def test_a_storage_that_is_no_file_yet_is_not_made(examined, tmp_path):
    finding = doctor.optuna_storage("sqlite:///later.db")

    assert (finding.state, list(tmp_path.iterdir())) == ("note", [])


def test_a_storage_that_is_a_file_is_told_what_to_do(tmp_path):
    for name in ("text.db", "text.log"):
        (tmp_path / name).write_text("text")

    def advised(storage):
        finding = doctor.optuna_storage(storage)
        assert finding.state == "problem", finding
        return finding.advice

    assert advised(f"journal:{tmp_path}") == f"name a file in it, such as {tmp_path}/study.log"
    assert advised(f"sqlite:///{tmp_path}/text.db") == "name another file, or one that is not there yet"
    assert advised(f"journal:{tmp_path}/text.log") == "name another file, or one that is not there yet"
    assert advised("nosuch://me@h/x").startswith("write journal:<file>, ")


@pytest.mark.parametrize("kind", ["sqlite:///", "journal:"])
def test_a_storage_that_cannot_be_written_names_its_file(tmp_path, monkeypatch, kind):
    storage = f"{kind}{tmp_path}/study.log"
    doctor.study(storage)
    cause = StatementError("", "INSERT", {}, sqlite3.OperationalError("attempt to write a readonly database"))
    failure = StorageInternalError("An exception is raised during the commit.")
    failure.__cause__ = cause
    monkeypatch.setattr(
        doctor, "study", Mock(side_effect=failure if kind == "sqlite:///" else OSError(30, "Read-only"))
    )

    finding = doctor.optuna_storage(storage)

    assert "commit" not in finding.found
    assert finding.advice == f"let yourself write {tmp_path}/study.log and its folder, or name another file"


def test_an_unknown_word_is_one_line(examined):
    assert examined("storag=x") == (2, [], "error: `storag` is no known key; did you mean 'storage'?\n")
