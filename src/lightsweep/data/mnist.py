"""MNIST and the data sets that share its format, read and verified by torchvision."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from torchvision import datasets

from lightsweep.data.datamodule import ArrayDataModule
from lightsweep.data.spec import Arrays, DataSpec
from lightsweep.errors import ConfigError, DataError

_DATASETS = {
    "mnist": datasets.MNIST,
    "fashion_mnist": datasets.FashionMNIST,
    "kmnist": datasets.KMNIST,
    "emnist": datasets.EMNIST,
}


class MNIST(ArrayDataModule):
    """Gray images of 28 × 28 pixels: 60,000 for training, 10,000 for test (EMNIST: as its split has them).

    Args:
        root: folder of the data; torchvision's layout, so MNIST's files lie in `root/MNIST/raw`.
        name: `mnist`, `fashion_mnist`, `kmnist` or `emnist`.
        split: EMNIST's split, such as `balanced`, `letters` or `digits`.
        options: see `ArrayDataModule`.

    Raises:
        DataError: a file that is missing or damaged, with its expected and found MD5.
    """

    def __init__(self, root: str, name: str = "mnist", split: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        if name not in _DATASETS:
            raise ConfigError(f"`data.name` must be one of {', '.join(_DATASETS)} but got {name!r}")
        self.root, self.dataset_name, self.split = Path(root), name, split
        classes = _DATASETS[name].classes if name != "emnist" else _emnist_classes(split)
        self.num_labels = len(classes)
        self.spec = DataSpec((1, 28, 28), len(classes), tuple(classes))

    def load_train(self) -> Arrays:
        """The official training images."""
        return self._read(train=True)

    def load_test(self) -> Arrays:
        """The official test images."""
        return self._read(train=False)

    def _read(self, train: bool) -> Arrays:
        options: dict[str, Any] = {"split": self.split} if self.dataset_name == "emnist" else {}
        verify_archives(_DATASETS[self.dataset_name], self.root)
        try:
            found = _DATASETS[self.dataset_name](str(self.root), train=train, download=True, **options)
        except (OSError, RuntimeError, ValueError, EOFError) as error:
            raise DataError(
                f"{self.dataset_name} could not be read from {self.root} or downloaded ({error}); "
                f"put its files by hand into {self.root / _DATASETS[self.dataset_name].__name__ / 'raw'}"
            ) from error
        targets = found.targets.to(torch.int64)
        if self.dataset_name == "emnist" and self.split == "letters":
            targets = targets - 1  # counted from 1 in the files
        return self._verified(Arrays(found.data.unsqueeze(1), targets), train)

    def _verified(self, arrays: Arrays, train: bool) -> Arrays:
        part, folder = "training" if train else "test", self.root / _DATASETS[self.dataset_name].__name__ / "raw"
        if len(arrays.inputs) != len(arrays.targets):
            raise DataError(
                f"{folder}: {len(arrays.inputs)} {part} images but {len(arrays.targets)} labels; delete the folder's "
                "unpacked files, and they are unpacked again"
            )
        if arrays.inputs.shape[1:] != self.spec.input_shape:
            raise DataError(
                f"{folder}: {part} images have shape {tuple(arrays.inputs.shape[1:])}, not {self.spec.input_shape}"
            )
        if len(arrays) and not 0 <= int(arrays.targets.min()) <= int(arrays.targets.max()) < self.num_labels:
            raise DataError(f"{folder}: a {part} label lies outside 0..{self.num_labels - 1}")
        return arrays


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

    def _verified(self, arrays: Arrays, train: bool) -> Arrays:
        arrays = super()._verified(arrays, train)
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
    classes = list(known[split])
    return [name for name in classes if name != "N/A"]
