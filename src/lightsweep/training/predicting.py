"""Image files of any kind, and the rows of CSV files, told by a finished run's network."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image
from torch import Tensor

from lightsweep.data.picture import open_image
from lightsweep.data.table import Table
from lightsweep.errors import DataError
from lightsweep.models.tasks import class_probabilities
from lightsweep.training.trained import Trained

_ROWS = 1024
"""Rows of a table that go through the network at a time."""


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
    predictions = _of_rows if trained.data.columns else partial(_of_image, frame=trained.data.framing())
    for path in files:
        try:
            yield from predictions(trained, path)
        except DataError as error:
            text = str(error)
            yield error if str(path) in text else DataError(f"{path}: {text}")


def _of_image(trained: Trained, path: Path, frame: Callable[[Image.Image], Tensor]) -> Iterator[Prediction]:
    pixels = frame(open_image(path))
    shown = pixels.transpose(1, 2) if trained.data.transposed else pixels
    for label, probability in _told(trained, pixels[None]):
        yield Prediction(path, None, label, probability, shown)


def _of_rows(trained: Trained, path: Path) -> Iterator[Prediction]:
    table = Table.read(path)
    told = [each for part in trained.data.rows(table).split(_ROWS) for each in _told(trained, part)]
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
