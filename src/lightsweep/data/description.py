"""What a run must remember of its data, so that its model can be used where the data are not: `data.json`."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from PIL import Image
from torch import Tensor

from lightsweep.data.digit import digit
from lightsweep.data.picture import Framing
from lightsweep.data.spec import DataSpec
from lightsweep.data.transform import Normalize
from lightsweep.errors import ConfigError, RunFolderError
from lightsweep.files import write_json
from lightsweep.paths import RunPaths

_PICTURES = ("digit", "crop", "pad", "stretch")


@dataclass(frozen=True)
class Description:
    """A data set as its model sees it.

    Attributes:
        input_shape, num_classes, class_names: see `DataSpec`.
        mean, std: images in [0, 1] become `(x - mean) / std`.
        picture: how an image file becomes an input: `digit` as MNIST was made, or a `fit` of `Framing`; None where the
            inputs are no images.
        transposed: whether the data hold their images with rows and columns exchanged, as EMNIST does.
        columns: a table's input columns, in order; empty where the inputs are no table.
        column_means, column_stds: a number of a column is stored as `(x - mean) / std` of that column.
    """

    input_shape: tuple[int, ...]
    num_classes: int | None
    class_names: tuple[str, ...]
    mean: float
    std: float
    picture: str | None = None
    transposed: bool = False
    columns: tuple[str, ...] = ()
    column_means: tuple[float, ...] = ()
    column_stds: tuple[float, ...] = ()

    @property
    def spec(self) -> DataSpec:
        """For building a model."""
        return DataSpec(self.input_shape, self.num_classes, self.class_names)

    def normalize(self, dtype: torch.dtype = torch.float32) -> Normalize:
        """From stored examples to the model's inputs."""
        return Normalize(self.mean, self.std, dtype)

    def framing(self) -> Callable[[Image.Image], Tensor]:
        """From an image of any size to a stored example, uint8 `[C, H, W]`.

        Raises:
            ConfigError: the model's inputs are no images, or the data do not say how an image becomes one.
        """
        if self.picture is None or self.picture not in _PICTURES:
            raise ConfigError(self._why_no_image())
        if self.picture == "digit":
            frame: Callable[[Image.Image], Tensor] = digit
        else:
            channels, height, width = self.input_shape
            frame = Framing(height, width, channels, self.picture)
        return (lambda image: frame(image).transpose(1, 2)) if self.transposed else frame

    def _why_no_image(self) -> str:
        shape = self.input_shape
        if len(shape) != 3 or shape[0] not in (1, 3):
            return f"the run's inputs are no images: one has shape {shape}"
        if self.picture is not None:
            return f"`picture` of the run's data must be one of {', '.join(_PICTURES)} but is {self.picture!r}"
        return (
            f"the run's data do not say how an image becomes an input of shape {shape}: give their class a line like "
            '`picture = "crop"`, and in data.json of this run change `"picture": null` to `"picture": "crop"`'
        )

    def save(self, paths: RunPaths) -> None:
        """Write `data.json`."""
        write_json(paths.data, asdict(self))

    @classmethod
    def read(cls, paths: RunPaths) -> "Description":
        """What a run's `data.json` holds.

        Raises:
            RunFolderError: no such file, or one that is damaged.
        """
        try:
            values = json.loads(paths.data.read_text(encoding="utf-8"))
            values["input_shape"] = tuple(int(size) for size in values["input_shape"])
            values["class_names"] = tuple(str(name) for name in values["class_names"])
            values["columns"] = tuple(str(name) for name in values.get("columns", ()))
            for key in ("column_means", "column_stds"):
                values[key] = tuple(float(value) for value in values.get(key, ()))
            return cls(**values)
        except OSError:
            raise RunFolderError(f"{paths.folder} has no {paths.data.name}: no run started in it") from None
        except (ValueError, TypeError, KeyError, UnicodeDecodeError) as error:
            raise RunFolderError(f"{paths.data} is damaged: {error}") from None
