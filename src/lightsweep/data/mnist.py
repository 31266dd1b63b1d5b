"""MNIST and the data sets that share its format; torchvision knows their classes and MD5s, and downloads them."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from torchvision import datasets

from lightsweep.data.datamodule import ArrayDataModule
from lightsweep.data.idx import read_labelled
from lightsweep.data.spec import Arrays, DataSpec
from lightsweep.errors import ConfigError, DataError, one_line
from lightsweep.paths import data_dir

_DATASETS = {
    "mnist": datasets.MNIST,
    "fashion_mnist": datasets.FashionMNIST,
    "kmnist": datasets.KMNIST,
    "emnist": datasets.EMNIST,
}


class MNIST(ArrayDataModule):
    """Gray images of 28 × 28 pixels: 60,000 for training, 10,000 for test (EMNIST: as its split has them).

    Args:
        root: folder of the data; torchvision's layout, so MNIST's files lie in `root/MNIST/raw`, packed or unpacked.
        name: `mnist`, `fashion_mnist`, `kmnist` or `emnist`.
        split: EMNIST's split, such as `balanced`, `letters` or `digits`.
        options: see `ArrayDataModule`.

    Raises:
        DataError: a file that is missing and cannot be downloaded, an archive with another MD5 than the official one,
            or what `read_labelled` refuses.
    """

    def __init__(self, root: str, name: str = "mnist", split: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        if name not in _DATASETS:
            raise ConfigError(f"`data.name` must be one of {', '.join(_DATASETS)} but got {name!r}")
        self.root, self.dataset_name, self.split = data_dir(root), name, split
        self.picture = "digit" if name in ("mnist", "emnist") else "pad"
        self.transposed = name == "emnist"
        classes = _DATASETS[name].classes if name != "emnist" else _emnist_classes(split)
        self.num_labels = len(classes)
        self.spec = DataSpec((1, 28, 28), len(classes), tuple(classes))

    def load_train(self) -> Arrays:
        """The official training images."""
        return self._read(train=True)

    def load_test(self) -> Arrays:
        """The official test images."""
        return self._read(train=False)

    @property
    def raw(self) -> Path:
        """The folder of the files."""
        return self.root / _DATASETS[self.dataset_name].__name__ / "raw"

    def _read(self, train: bool) -> Arrays:
        verify_archives(_DATASETS[self.dataset_name], self.root)
        if self.missing(train):
            self._download()
        images, labels = map(self._file, self._names(train))
        first = 1 if self.split == "letters" else 0
        arrays = read_labelled(images, labels, range(first, first + self.num_labels))
        if arrays.inputs.shape[1:] != self.spec.input_shape:
            raise DataError(
                f"{images}: images have shape {tuple(arrays.inputs.shape[1:])}, not {self.spec.input_shape}"
            )
        return arrays

    def _names(self, train: bool) -> tuple[str, str]:
        """The files of a part: its images and its labels."""
        part = "train" if train else "t10k"
        if self.dataset_name == "emnist":
            part = f"emnist-{self.split}-{'train' if train else 'test'}"
        return f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"

    def missing(self, train: bool) -> list[Path]:
        """The files of a part that lie there neither unpacked nor packed."""
        return [path for path in map(self._file, self._names(train)) if not path.is_file()]

    def _file(self, name: str) -> Path:
        """An unpacked file, else its archive."""
        unpacked = self.raw / name
        return unpacked if unpacked.is_file() else unpacked.with_name(f"{name}.gz")

    def _download(self) -> None:
        options: dict[str, Any] = {"split": self.split} if self.dataset_name == "emnist" else {}
        try:
            _DATASETS[self.dataset_name](str(self.root), download=True, **options)
        except (OSError, RuntimeError, ValueError, EOFError) as error:
            raise DataError(
                f"{self.dataset_name} could not be read from {self.root} or downloaded ({one_line(error)}); "
                f"put its files by hand into {self.raw}"
            ) from error


class MNISTBinary(MNIST):
    """Two digits of MNIST, told apart: the first is class 0, the second class 1.

    Args:
        root: folder of the data.
        digits: two distinct digits from 0 to 9.
        options: see `ArrayDataModule`.
    """

    def __init__(self, root: str, digits: list[int], **options: Any) -> None:
        super().__init__(root, **options)
        self.digits = list(digits)
        self.spec = DataSpec((1, 28, 28), 2, tuple(str(digit) for digit in digits))

    def _read(self, train: bool) -> Arrays:
        arrays = super()._read(train)
        first, second = self.digits
        chosen = ((arrays.targets == first) | (arrays.targets == second)).nonzero().squeeze(1)
        kept = arrays.take(chosen)
        return Arrays(kept.inputs, (kept.targets == second).to(torch.int64))


def verify_archives(dataset: Any, root: Path) -> None:
    """Compare each archive that lies in the raw folder with the MD5 that torchvision knows for it.

    Raises:
        DataError: an archive with another MD5; its unpacked form beside it does not excuse it.
    """
    for name, expected in getattr(dataset, "resources", []):
        archive = root / dataset.__name__ / "raw" / name
        if not archive.is_file():
            continue
        found = hashlib.md5(archive.read_bytes(), usedforsecurity=False).hexdigest()
        if found != expected:
            raise DataError(
                f"{archive} is damaged: expected MD5 {expected}, found {found}; delete it to download it again, "
                "or put the official file in its place"
            )


def _emnist_classes(split: str | None) -> list[str]:
    known = datasets.EMNIST.classes_split_dict
    if split not in known:
        raise ConfigError(f"`data.split` must be one of {', '.join(known)} but got {split!r}")
    return [name for name in known[split] if name != "N/A"]
