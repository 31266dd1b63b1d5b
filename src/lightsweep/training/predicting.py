"""Image files of any kind, told by a finished run's network."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from lightsweep.data.picture import open_image
from lightsweep.errors import DataError
from lightsweep.training.trained import Trained


@dataclass(frozen=True)
class Prediction:
    """What an image was taken for.

    Attributes:
        path: the file.
        label: the most probable class.
        probability: of that class, in [0, 1].
        pixels: the image as the network sees it, uint8 `[C, H, W]`.
    """

    path: Path
    label: str
    probability: float
    pixels: Tensor


def predict(trained: Trained, files: Iterable[Path]) -> Iterator[Prediction | DataError]:
    """A prediction for each file, or what is wrong with it.

    Raises:
        ConfigError: the run's model takes no images or tells no classes.
    """
    frame = trained.data.framing()
    for path in files:
        try:
            pixels = frame(open_image(path))
        except DataError as error:
            text = str(error)
            yield error if str(path) in text else DataError(f"{path}: {text}")
            continue
        chances = trained.probabilities(pixels[None])[0]
        best = int(chances.argmax())
        shown = pixels.transpose(1, 2) if trained.data.transposed else pixels
        yield Prediction(path, trained.data.class_names[best], float(chances[best]), shown)
