"""What the commands say of data that are missing, damaged or wrong: one line, and exit code 2."""

import re
import shutil
from pathlib import Path

import pytest

from lightsweep import cli
from tests.test_cli import QUICK

ROOT = Path(__file__).resolve().parents[2]
CPU = "trainer.accelerator=cpu"


@pytest.mark.parametrize(
    "data",
    [
        ("data=csv", "data.path=table.csv", "data.target=kind", "data.val_size=10", "data.batch_size=10"),
        ("data=line", "data.test_size=0", "model=linear_regression"),
    ],
    ids=["csv", "line"],
)
def test_a_missing_test_set_is_told_before_training(command, table, tmp_path, data):
    ended = command(cli.train, *data, "trainer.accelerator=cpu")

    assert ended.line == "error: `data.test_size` is 0, so there is no test set: set it, or test=false"
    assert (ended.code, ended.out) == (2, "")
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_line_of_one_number_is_refused(command):
    ended = command(cli.train, "data=line", "data.theta=[1]", "model=linear_regression")

    assert re.fullmatch(r"error: `data\.theta` must be two numbers but got \[1\]", ended.line), ended.line


def test_a_corrupted_archive_names_the_file_and_both_sums(command, tmp_path):
    raw = tmp_path / "data" / "MNIST" / "raw"
    shutil.copytree(ROOT / "data" / "MNIST" / "raw", raw)
    broken = raw / "train-labels-idx1-ubyte.gz"
    broken.write_bytes(broken.read_bytes()[:-1] + b"x")

    ended = command(cli.train, *QUICK)

    assert re.fullmatch(
        r"error: data/MNIST/raw/train-labels-idx1-ubyte\.gz is damaged: expected MD5 d53e105ee54ea40749a09fcbcd1e9432, "
        r"found [0-9a-f]{32}; delete it to download it again, or put the official file in its place",
        ended.line,
    ), ended.line
    assert ended.code == 2


def test_a_missing_data_file_says_where_it_belongs(command, monkeypatch):
    from torchvision.datasets import MNIST

    def unreachable(self):
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz:\nTried http://nowhere/, got:\n<a reason>\n")

    monkeypatch.setattr(MNIST, "download", unreachable)

    ended = command(cli.train, *QUICK, "data.root=nowhere")

    assert re.fullmatch(
        r"error: mnist could not be read from nowhere or downloaded \(.*train-images.* got: <a reason>\); "
        r"put its files by hand into nowhere/MNIST/raw",
        ended.line,
    ), ended.line
    assert ended.code == 2


def test_an_unpacked_file_that_is_cut_short_is_the_datas_fault(command, mnist_root, tmp_path):
    shutil.copytree(mnist_root, tmp_path / "data")
    images = tmp_path / "data" / "MNIST" / "raw" / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-100])

    ended = command(cli.train, *QUICK)

    assert ended.line == (
        "error: data/MNIST/raw/train-images-idx3-ubyte is cut short: its header says 600 × 28 × 28 values, "
        "but 470300 follow"
    )
    assert ended.code == 2


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        ("a,y\n1,2\n2,3\n", "z", r"`data\.target` 'z' is no column of table\.csv.*"),
        (
            "a,y\n1,2\nx,3\n",
            "y",
            r"table\.csv: row 3, column 'a' must be a finite number but is 'x'; if .* `data\.ignore`",
        ),
        ("a,y\n1,2\n2,nan\n", "y", r"table\.csv: row 3, column 'y' must be a finite number but is 'nan'"),
    ],
)
def test_a_bad_csv_names_row_and_column(command, tmp_path, text, target, message):
    (tmp_path / "table.csv").write_text(text)
    options = ("model=linear_regression", "data=csv", "data.task=regression", "data.path=table.csv")

    ended = command(cli.train, *options, f"data.target={target}", "data.batch_size=1")

    assert re.fullmatch(f"error: {message}", ended.line), ended.line
    assert ended.code == 2


@pytest.mark.parametrize(
    ("split", "sizes", "limits", "told"),
    [
        ("val", (1, 9), {}, "has 1 example for 2 processes; set trainer.devices lower, or make the split larger"),
        ("test", (9, 1), {}, "has 1 example for 2 processes; set trainer.devices lower, or make the split larger"),
        (
            "test",
            (0, 9),
            {"test": 1},
            "has 1 example within trainer.limit_test_batches=1 for 2 processes; set trainer.devices lower, or that "
            "limit higher",
        ),
    ],
)
def test_a_split_that_is_too_small_for_all_processes_is_refused_before_training(command, split, sizes, limits, told):
    val, test = sizes
    options = ["model=linear_regression", "data=line", f"data.val_size={val}", f"data.test_size={test}"]
    options += [f"trainer.limit_{name}_batches={limit}" for name, limit in limits.items()]

    ended = command(
        cli.train, *options, "data.eval_batch_size=1", "trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu"
    )

    assert (ended.code, ended.line) == (2, f"error: the {split} split {told}")
