"""Image files of any kind, and the rows of CSV files, told by a finished run's network."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from lightsweep.data.picture import open_image
from lightsweep.data.table import Table
from lightsweep.errors import DataError
from lightsweep.models.tasks import class_probabilities
from lightsweep.training.trained import Trained

_IMAGES, _ROWS = 16, 1024
"""Images, and rows of a table, that go through the network at a time."""


@dataclass(frozen=True)
class Prediction:
    """What an image or a row was taken for.

    Attributes:
        path: the file.
        row: its number in a CSV file, where the header is 1; None for an image.
        label: the most probable class; for a regression the network's number, or several, parted by blanks.
        probability: of that class, in [0, 1]; None for a regression.
        pixels: the image as the network sees it, uint8 `[C, H, W]`; None for a row.
    """

    path: Path
    row: int | None
    label: str
    probability: float | None
    pixels: Tensor | None


def predict(trained: Trained, files: Iterable[Path]) -> Iterator[Prediction | DataError]:
    """A prediction for each image, or for each row of each CSV file; in place of a file's, what is wrong with it.

    Raises:
        ConfigError: the run's model takes neither images nor the rows of a CSV file.
    """
    return (_of_tables if trained.data.columns else _of_images)(trained, files)


def _of_images(trained: Trained, files: Iterable[Path]) -> Iterator[Prediction | DataError]:
    frame, files = trained.data.framing(), iter(files)
    while paths := list(islice(files, _IMAGES)):
        read = [_read(path, frame) for path in paths]
        pixels = [each for each in read if isinstance(each, Tensor)]
        told = _told(trained, torch.stack(pixels)) if pixels else iter(())
        for path, each in zip(paths, read, strict=True):
            if isinstance(each, DataError):
                yield each
            else:
                yield Prediction(path, None, *next(told), each.transpose(1, 2) if trained.data.transposed else each)


def _read(path: Path, frame: Callable[[Image.Image], Tensor]) -> Tensor | DataError:
    try:
        return frame(open_image(path))
    except DataError as error:
        return _named(path, error)


def _of_tables(trained: Trained, files: Iterable[Path]) -> Iterator[Prediction | DataError]:
    for path in files:
        try:
            yield from _of_rows(trained, path)
        except DataError as error:
            yield _named(path, error)


def _named(path: Path, error: DataError) -> DataError:
    """What is wrong with a file, with its name."""
    return error if str(path) in str(error) else DataError(f"{path}: {error}")


def _of_rows(trained: Trained, path: Path) -> Iterator[Prediction]:
    table = Table.read(path)
    told = (each for part in trained.data.rows(table).split(_ROWS) for each in _told(trained, part))
    for row, (label, probability) in zip(table.rows, told, strict=True):
        yield Prediction(path, row, label, probability, None)


def _told(trained: Trained, stored: Tensor) -> Iterator[tuple[str, float | None]]:
    """Label and probability of each stored example."""
    outputs = trained.outputs(stored)
    if trained.data.num_classes is None:
        yield from ((" ".join(f"{number:.7g}" for number in numbers), None) for numbers in outputs.tolist())
        return
    probabilities, classes = class_probabilities(outputs).max(1)
    for index, probability in zip(classes.tolist(), probabilities.tolist(), strict=True):
        yield trained.data.class_names[index], probability
