"""IDX files: the values of whole ones, and the reason that is given for each other one."""

import gzip
import io
import re

import pytest
import torch
from isal import igzip
from torchvision import datasets

from lightsweep.data import MNIST, idx
from lightsweep.data.idx import read_idx, read_labelled
from lightsweep.errors import DataError

IMAGES = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + bytes(range(12))
LABELS = bytes([0, 0, 8, 1, 0, 0, 0, 2, 1, 3])
PACKED = gzip.compress(IMAGES, mtime=0)


@pytest.fixture
def written(tmp_path):
    def write(content, name="file"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def test_values_stand_in_the_files_order(written):
    expected = torch.arange(12, dtype=torch.uint8).view(2, 2, 3)

    assert torch.equal(read_idx(written(IMAGES), 3), expected)
    assert torch.equal(read_idx(written(PACKED, "file.gz"), 3), expected)


@pytest.mark.parametrize("train", [True, False], ids=["train", "test"])
def test_mnist_is_read_as_torchvision_reads_it(mnist_root, train):
    datamodule = MNIST(str(mnist_root), batch_size=100)

    found = datamodule.load_train() if train else datamodule.load_test()

    official = datasets.MNIST(str(mnist_root), train=train)
    assert torch.equal(found.inputs.squeeze(1), official.data)
    assert torch.equal(found.targets, official.targets)


def test_archives_are_read_where_they_lie_and_the_folder_is_left_as_it_was(mnist_root, tmp_path, monkeypatch):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for path in (mnist_root / "MNIST" / "raw").iterdir():
        (raw / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    monkeypatch.setattr(datasets.MNIST, "resources", [])  # the sums are those of the whole archives
    before = sorted(raw.iterdir())

    packed = MNIST(str(tmp_path), batch_size=100).load_train()

    assert torch.equal(packed.inputs, MNIST(str(mnist_root), batch_size=100).load_train().inputs)
    assert sorted(raw.iterdir()) == before


def test_labels_count_from_zero_whatever_the_first_class_is(written):
    found = read_labelled(written(IMAGES), written(LABELS, "labels"), range(1, 4))

    assert found.targets.tolist() == [0, 2]
    assert found.targets.dtype == torch.int64
    assert found.inputs.shape == (2, 1, 2, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", " is cut short: its header must have 16 bytes but has 0"),
        (IMAGES[:9], " is cut short: its header must have 16 bytes but has 9"),
        (IMAGES[:-1], " is cut short: its header says 2 × 2 × 3 values, but 11 follow"),
        (IMAGES + b"x", " goes on after the 2 × 2 × 3 values that its header says"),
        (LABELS, " is no IDX file of .* 3 dimensions: it must begin with 00000803 but begins with 00000801"),
        (b"\x1f\x8b" + IMAGES[2:], " is no IDX file of .*: it must begin with 00000803 but begins with 1f8b0803"),
        (IMAGES[:4] + bytes(12), r" says that it holds 0 × 0 × 0 values; there must be from 1 to \d+"),
        (IMAGES[:4] + b"\xff" * 12, r" says that it holds 4294967295 × .* values; there must be from 1 to \d+"),
    ],
    ids=["empty", "header", "cut", "long", "labels", "archive", "nothing", "enormous"],
)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_a_file_that_is_not_whole_is_refused_with_the_reason(written, content, reason, packed):
    path = written(gzip.compress(content), "file.gz") if packed else written(content)

    with pytest.raises(DataError, match=f"^{re.escape(str(path))}{reason}$"):
        read_idx(path, 3)


@pytest.mark.parametrize(
    "content",
    [b"", IMAGES, PACKED[:-9], PACKED[:-8] + b"\0" * 8, PACKED[:12] + b"\xff" + PACKED[13:]],
    ids=["empty", "no archive", "cut", "check sum", "flipped"],
)
def test_an_archive_that_does_not_unpack_is_refused(written, content):
    path = written(content, "file.gz")

    with pytest.raises(DataError, match=f"^{re.escape(str(path))} (cannot be read: .+|is cut short: .+)$"):
        read_idx(path, 3)


def test_an_archive_is_unpacked_no_further_than_its_header_says(written, monkeypatch):
    path = written(gzip.compress(IMAGES + bytes(100_000_000)), "file.gz")
    unpacked = []

    class Counting(io.RawIOBase):
        def __init__(self, *args):
            self.reader = reader(*args)

        def readable(self):
            return True

        def readinto(self, buffer):
            unpacked.append(self.reader.readinto(buffer))
            return unpacked[-1]

    reader = igzip._GzipReader
    monkeypatch.setattr(igzip, "_GzipReader", Counting)

    with pytest.raises(DataError, match=r"goes on after the 2 × 2 × 3 values that its header says$"):
        read_idx(path, 3)
    assert len(IMAGES) < sum(unpacked) < 1_000_000


def test_a_file_over_the_limit_is_refused_before_its_values_are_read(written, monkeypatch):
    monkeypatch.setattr(idx, "MAX_BYTES", 11)

    with pytest.raises(DataError, match=r"says that it holds 2 × 2 × 3 values; there must be from 1 to 11$"):
        read_idx(written(IMAGES), 3)


def test_a_folder_in_a_files_place_is_refused(tmp_path):
    with pytest.raises(DataError, match=f"^{re.escape(str(tmp_path))} cannot be read: "):
        read_idx(tmp_path, 3)


def test_as_many_labels_as_images(written):
    labels = written(LABELS[:7] + bytes([3, 1, 3, 0]), "labels")

    with pytest.raises(DataError, match=r"labels has 3 labels, but .*file has 2 images$"):
        read_labelled(written(IMAGES), labels, range(10))


@pytest.mark.parametrize(("classes", "index", "label"), [(range(3), 1, 3), (range(2, 9), 0, 1)])
def test_a_label_of_no_class_is_named(written, classes, index, label):
    wanted = f"labels: label {index} \\(counted from 0\\) must be from .* but is {label}$"

    with pytest.raises(DataError, match=wanted):
        read_labelled(written(IMAGES), written(LABELS, "labels"), classes)
