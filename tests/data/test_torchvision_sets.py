"""torchvision's data sets by name; USPS, whose format is a line an image, is written here."""

import bz2
import inspect

import pytest
import torch
from PIL import Image
from torchvision import datasets

from lightsweep.config.explanation import TORCHVISION
from lightsweep.data import Torchvision
from lightsweep.data.torchvision_sets import _parts
from lightsweep.errors import ConfigError, DataError


@pytest.fixture
def root(tmp_path):
    """60 training and 20 test images of USPS: image i of class i modulo 10 has that many bright rows."""
    for name, count in (("usps.bz2", 60), ("usps.t.bz2", 20)):
        rows = []
        for index in range(count):
            label = index % 10
            pixels = [1.0 if place // 16 < label else -1.0 for place in range(256)]
            rows.append(
                f"{label + 1} " + " ".join(f"{place + 1}:{value}" for place, value in enumerate(pixels)) + " \n"
            )
        (tmp_path / name).write_bytes(bz2.compress("".join(rows).encode()))
    return tmp_path


def test_a_data_set_is_found_by_its_name(root):
    data = Torchvision("USPS", str(root), batch_size=10, val_size=10)
    data.setup("fit")
    data.setup("test")

    assert data.spec.input_shape == (1, 16, 16)
    assert data.spec.num_classes == 10
    assert [len(data.splits[name]) for name in ("train", "val", "test")] == [50, 10, 20]
    bright = (data.splits["test"].inputs > 128).sum((1, 2, 3)) // 16
    assert torch.equal(bright, data.splits["test"].targets)


def test_size_and_channels_can_be_others(root):
    assert Torchvision("USPS", str(root), size=(8, 12), channels=3, batch_size=10).spec.input_shape == (3, 8, 12)


def test_it_trains(root, run):
    result = run("data=torchvision", "data.name=USPS", f"data.root={root}", "data.val_size=10", "data.batch_size=10")

    assert result.status == "completed"
    assert result.metrics["test/acc"] is not None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("CIFAR1", r"^`data\.name` must be a data set of torchvision's .*; did you mean 'CIFAR10'\?$"),
        ("Cifar10", r"; did you mean 'CIFAR10'\?$"),
        ("zzz", r"; there are .*CIFAR10, .*USPS"),
        ("CocoDetection", r"^`data\.name` must be"),
        ("UCF101", r"^`data\.name` must be"),  # it has parts, but needs more than its files
    ],
)
def test_a_name_that_is_none_is_refused(tmp_path, name, text):
    with pytest.raises(ConfigError, match=text):
        Torchvision(name, str(tmp_path), batch_size=1)


@pytest.mark.parametrize(
    ("name", "parts"),
    [("OxfordIIITPet", ("trainval", "test")), ("FGVCAircraft", ("trainval", "test")), ("Imagenette", ("train", "val"))],
)
def test_parts_of_other_names_are_found_and_classes_of_several_words_are_named(tmp_path, monkeypatch, name, parts):
    class Kind:
        classes = ("pug", ("springer", "spaniel"))

        def __init__(self, root, split="", transform=None):
            assert split in parts
            self.size = 4 if split == parts[0] else 2

        def __len__(self):
            return self.size

        def __getitem__(self, index):
            return Image.new("RGB", (5, 6)), index % 2

    monkeypatch.setattr(datasets, name, Kind)
    data = Torchvision(name, str(tmp_path), batch_size=1)
    data.setup("fit")
    data.setup("test")

    assert [len(data.splits[split]) for split in ("train", "test")] == [4, 2]
    assert data.spec.class_names == ("pug", "springer, spaniel")


@pytest.mark.parametrize("name", TORCHVISION)
def test_a_name_that_a_mistake_is_told_is_one(name):
    _, (train, test) = _parts(name)

    source = inspect.getsource(getattr(datasets, name))
    assert train is True or (f'"{train}"' in source and f'"{test}"' in source)


def test_files_that_cannot_be_had_are_one_line(tmp_path, monkeypatch):
    import urllib.request

    def unreachable(*_, **__):
        raise OSError("no network\nhere")

    monkeypatch.setattr(urllib.request, "urlopen", unreachable)

    with pytest.raises(DataError, match=r"^CIFAR10 could not be read from \S+ or downloaded: no network here$"):
        Torchvision("CIFAR10", str(tmp_path), batch_size=1)


@pytest.mark.parametrize("error", [OSError("image file is truncated\n(3 bytes)"), SyntaxError("broken PNG file")])
def test_a_damaged_image_is_one_line(root, monkeypatch, error):
    item = datasets.USPS.__getitem__

    def damaged(self, index):
        if index == 7:
            raise error
        return item(self, index)

    monkeypatch.setattr(datasets.USPS, "__getitem__", damaged)

    with pytest.raises(
        DataError, match=rf"^image 7 of USPS in {root} cannot be read: {' '.join(str(error).split())[:9]}"
    ):
        Torchvision("USPS", str(root), batch_size=10)
