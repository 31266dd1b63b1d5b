"""Images of one's own: a folder for each class."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_only

from lightsweep.data.datamodule import OWN, ArrayDataModule, NoTestSet
from lightsweep.data.files import ImageFiles
from lightsweep.data.picture import SUFFIXES, Framing
from lightsweep.data.spec import DataSpec
from lightsweep.data.split import random_split
from lightsweep.errors import ConfigError, DataError
from lightsweep.paths import data_dir


class Images(ArrayDataModule):
    """Image files of any size, sorted into folders that bear the classes' names.

    `root/<class>/*.png`, where `test_size` images are drawn for the test set, each class by its share; or
    `root/train/<class>/…` and `root/test/<class>/…`, and `root/val/<class>/…` for `val_size=own`. Files lie at any
    depth below their class, behind links too; those whose suffix is none of an image's are passed over, as are files
    and folders whose names begin with a dot.

    Args:
        root: the folder.
        size: height and width of the network's inputs, in pixels.
        channels: 1 for gray, 3 for colour.
        fit: how an image of another shape is brought to `size`: `crop`, `pad` or `stretch`; see `Framing`.
        test_size: images kept for the test set where there is no `test` folder.
        options: see `ArrayDataModule`.

    Raises:
        DataError: a folder without classes or images, or whose test classes are others than those for training.
        ConfigError: a `test_size` that leaves nothing to train on.
    """

    def __init__(
        self,
        root: str,
        size: Sequence[int] = (64, 64),
        channels: int = 3,
        fit: str = "crop",
        test_size: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if fit not in ("crop", "pad", "stretch"):
            raise ConfigError(f"`data.fit` must be crop, pad or stretch but got {fit!r}")
        for key, value in (("size", size), ("channels", channels)):
            if value is None:
                raise ConfigError(
                    f"`data.{key}` must be given for image files, each of which has its own, but got null"
                )
        self.picture = fit
        self.root, self.test_size = data_dir(root), test_size
        self.framing = Framing(size[0], size[1], channels, fit)
        divided = (self.root / "train").is_dir()
        classes = _classes(self.root / "train" if divided else self.root)
        self.spec = DataSpec(self.framing.shape, len(classes), tuple(classes))
        if divided and (self.root / "val").is_dir() and self.val_size != OWN:
            _say_unread(self.root / "val")
        self._train = self._found(self.root / "train" if divided else self.root)
        self._test: ImageFiles | None = None
        if divided and (self.root / "test").is_dir():
            if test_size:
                raise ConfigError(f"`data.test_size` must be 0 where {self.root} has a test folder but got {test_size}")
            self._test = self._part("test")
        elif test_size:
            if test_size >= len(self._train):
                raise ConfigError(
                    f"`data.test_size` must be below the {len(self._train)} images in {self.root} but got {test_size}"
                )
            rest, kept = random_split(self._train.targets, test_size, self.split_seed + 1, stratified=True)
            self._train, self._test = self._train.take(rest), self._train.take(kept)

    @property
    def tests(self) -> bool:
        """Whether there is a `test` folder, or images are kept for the test set."""
        return self._test is not None

    def load_train(self) -> ImageFiles:
        """The files that are not the test set's."""
        return self._train

    def load_test(self) -> ImageFiles:
        """The files of the test set."""
        if self._test is None:
            raise NoTestSet
        return self._test

    def load_val(self) -> ImageFiles:
        """The files of `root/val`."""
        if not (self.root / "val").is_dir():
            raise ConfigError(f"`data.val_size=own` needs a folder {self.root / 'val'}, which is not there")
        return self._part("val")

    def _part(self, name: str) -> ImageFiles:
        """The images of a folder beside `train`."""
        if _classes(self.root / name) != list(self.spec.class_names):
            raise DataError(f"{self.root}: the class folders of {name} are not those of train")
        return self._found(self.root / name)

    def _found(self, folder: Path) -> ImageFiles:
        paths, targets = [], []
        for index, name in enumerate(self.spec.class_names):
            inside = _images(folder / name)
            if not inside:
                raise DataError(f"{folder / name} holds no image ({', '.join(SUFFIXES)})")
            paths += inside
            targets += [index] * len(inside)
        return ImageFiles(paths, torch.tensor(targets), self.framing)


@rank_zero_only
def _say_unread(folder: Path) -> None:
    print(f"note: {folder} is not read but by data.val_size=own", file=sys.stderr)


def _classes(folder: Path) -> list[str]:
    """The names of the class folders, sorted."""
    if not folder.is_dir():
        raise DataError(f"`data.root` must be a folder with a folder for each class, but there is no {folder}")
    found = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(found) < 2:
        raise DataError(f"{folder} must hold a folder for each of two or more classes but holds {found or 'none'}")
    return found


def _images(folder: Path) -> list[Path]:
    """The image files at any depth, sorted; links are followed, and one to a folder above itself is passed over.

    A link to nothing is among them, and reading it will name it.
    """
    found: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=_refuse, followlinks=True):
        above = {path.resolve() for path in (Path(place), *Path(place).parents)}
        folders[:] = [name for name in folders if name[0] != "." and Path(place, name).resolve() not in above]
        found += [Path(place, name) for name in files if name[0] != "." and Path(name).suffix.lower() in SUFFIXES]
    return sorted(found)


def _refuse(error: OSError) -> None:
    raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error
