"""Any of torchvision's data sets for classification, by its name."""

import inspect
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision import datasets

from lightsweep.config.nearest import nearest
from lightsweep.data.datamodule import ArrayDataModule
from lightsweep.data.picture import Framing
from lightsweep.data.shared import read_once
from lightsweep.data.spec import Arrays, DataSpec
from lightsweep.errors import ConfigError, DataError, one_line
from lightsweep.paths import data_dir

_TARGET = np.dtype(np.int64)
_SPLITS = {
    "CLEVRClassification": ("train", "val"),  # the test part has no classes
    "FGVCAircraft": ("trainval", "test"),
    "Imagenette": ("train", "val"),
    "OxfordIIITPet": ("trainval", "test"),
    "Places365": ("train-standard", "val"),
}
"""The splits of data sets whose parts have other names than `train` and `test`, or of which these are not usual.

Of others, as Flowers102, that have a part for validation beside `train` and `test`, it is not read.
"""


class Torchvision(ArrayDataModule):
    """A data set of torchvision's that gives an image and a class, read whole into memory.

    Validation examples are drawn from its training part; where it has a part for them, as Flowers102, that is not read,
    save where torchvision joins it to the training part (`trainval`).

    Args:
        name: its class in `torchvision.datasets`, such as `CIFAR10`, `SVHN` or `Flowers102`.
        root: folder of its files; they are downloaded if they are not there.
        size: height and width of the network's inputs, in pixels; None for that of the first training image.
        channels: 1 for gray, 3 for colour; None for those of the first training image.
        fit: how an image of another shape is brought to `size`; see `Framing`.
        options: see `ArrayDataModule`.

    Raises:
        ConfigError: no such data set, or one that has no training and test part.
        DataError: its files cannot be read or downloaded, or one of its images is damaged.
    """

    def __init__(
        self,
        name: str,
        root: str = "data",
        size: Sequence[int] | None = None,
        channels: int | None = None,
        fit: str = "crop",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.dataset_name, self.root = name, data_dir(root)
        self._parts = _parts(name)
        found = self._open(train=True)
        image = self._item(found, 0)[0]
        height, width = size or (image.height, image.width)
        framing = Framing(height, width, channels or (1 if image.mode in ("1", "L") else 3), fit)
        self.framing, self.picture = framing, fit
        self._train = self._read(found, train=True)
        names = getattr(found, "classes", None) or [str(i) for i in range(int(self._train.targets.max()) + 1)]
        self.spec = DataSpec(framing.shape, len(names), tuple(map(_class_name, names)))

    def load_train(self) -> Arrays:
        """The training part."""
        return self._train

    def load_test(self) -> Arrays:
        """The test part."""
        return self._read(self._open(train=False), train=False)

    def _open(self, train: bool) -> Any:
        key, values = self._parts
        downloads = "download" in inspect.signature(getattr(datasets, self.dataset_name)).parameters
        options = {key: values[0 if train else 1]} | ({"download": True} if downloads else {})
        try:
            return getattr(datasets, self.dataset_name)(str(self.root), **options)
        except (OSError, RuntimeError, ValueError, EOFError, ImportError) as error:
            told = f"{self.dataset_name} could not be read from {self.root} or downloaded: {one_line(error)}"
            raise DataError(told) from error

    def _item(self, found: Any, index: int) -> tuple[Any, int]:
        try:
            image, target = found[index]
            return image, int(target)
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # Pillow's, the second on a broken PNG
            told = f"image {index} of {self.dataset_name} in {self.root} cannot be read: {one_line(error)}"
            raise DataError(told) from error
        except (TypeError, ValueError) as error:
            raise ConfigError(f"`data.name={self.dataset_name}` does not give an image and a class") from error

    def _read(self, found: Any, train: bool) -> Arrays:
        kind = f"{self.dataset_name} {'training' if train else 'test'} {self.framing}"
        packed = read_once(kind, self._files(), partial(self._packed, found))
        boundary = len(found) * _TARGET.itemsize
        images = packed[boundary:].reshape(len(found), *self.framing.shape)
        return Arrays(torch.from_numpy(images), torch.from_numpy(packed[:boundary].view(_TARGET)))

    def _files(self) -> Iterator[Path]:
        """All that lies in the root; which of it is the data set's, torchvision does not tell."""
        yield from sorted(path for path in self.root.rglob("*") if path.is_file())

    def _packed(self, found: Any) -> np.ndarray:
        """The targets, then the images, as bytes."""
        images = np.empty((len(found), *self.framing.shape), np.uint8)
        targets = np.empty(len(found), _TARGET)
        for index in range(len(found)):
            image, targets[index] = self._item(found, index)
            images[index] = self.framing(image).numpy()
        return np.concatenate([targets.view(np.uint8), images.reshape(-1)])


def _parts(name: str) -> tuple[str, tuple[Any, Any]]:
    """The argument by which a data set tells training from test, and its two values."""
    known = {choice: _parts_of(choice) for choice in datasets.__all__}
    usable = sorted(choice for choice, parts in known.items() if parts is not None)
    parts = known.get(name)
    if parts is None:
        near = nearest(name, usable) or f"; there are {', '.join(usable)}"
        raise ConfigError(f"`data.name` must be a data set of torchvision's with a training and a test part{near}")
    return parts


def _parts_of(name: str) -> tuple[str, tuple[Any, Any]] | None:
    takes = inspect.signature(getattr(datasets, name)).parameters
    needed = {key for key, each in takes.items() if each.default is each.empty and each.kind is not each.VAR_KEYWORD}
    if "transform" not in takes or needed != {"root"}:
        return None
    if "train" in takes:
        return "train", (True, False)
    return ("split", _SPLITS.get(name, ("train", "test"))) if "split" in takes else None


def _class_name(name: Any) -> str:
    """A class's name; several words for one class, as Imagenette has them, are parted by commas."""
    return ", ".join(name) if isinstance(name, tuple) else str(name)
