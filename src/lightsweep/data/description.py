"""What a run must remember of its data, so that its model can be used where the data are not: `data.json`."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from lightsweep.data.digit import digit
from lightsweep.data.picture import Framing
from lightsweep.data.spec import DataSpec
from lightsweep.data.table import LARGEST, Table
from lightsweep.data.transform import Normalize, Scale, suits
from lightsweep.errors import ConfigError, DataError, RunFolderError
from lightsweep.files import write_json
from lightsweep.paths import RunPaths

_PICTURES = ("digit", "crop", "pad", "stretch")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_list(of: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(of, value))


_VALUES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "input_shape": (_is_list(_is_count), "a list of whole numbers above 0"),
    "num_classes": (lambda value: value is None or _is_count(value), "a whole number above 0, or null for regression"),
    "class_names": (_is_list(lambda _: True), "a list of names"),
    "mean": (lambda value: _is_number(value) or _is_list(_is_number)(value), "a number, or a list of them"),
    "std": (lambda value: _is_positive(value) or _is_list(_is_positive)(value), "a number above 0, or a list of them"),
    "transposed": (lambda value: isinstance(value, bool), "true or false"),
    "columns": (_is_list(lambda value: isinstance(value, str)), "a list of names"),
    "column_means": (_is_list(_is_number), "a list of numbers"),
    "column_stds": (_is_list(_is_positive), "a list of numbers above 0"),
}
"""Of each key what holds for a value that can be used, and how that is said. `picture` is looked at when it is used."""


@dataclass(frozen=True)
class Description:
    """A data set as its model sees it.

    Attributes:
        input_shape, num_classes, class_names: see `DataSpec`.
        mean, std: images in [0, 1] become `(x - mean) / std`; one number, or one a channel.
        picture: how an image file becomes an input: `digit` as MNIST was made, or a `fit` of `Framing`; None where the
            inputs are no images.
        transposed: whether the data hold their images with rows and columns exchanged, as EMNIST does.
        columns: a table's input columns, in order; empty where the inputs are no table.
        column_means, column_stds: a number of a column is stored as `(x - mean) / std` of that column.
    """

    input_shape: tuple[int, ...]
    num_classes: int | None
    class_names: tuple[str, ...]
    mean: Scale
    std: Scale
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

    def rows(self, table: Table) -> Tensor:
        """From a table with the run's input columns, in any order and among others, to stored examples.

        Returns:
            float64 `[N, len(columns)]`.

        Raises:
            DataError: a column is missing, or a cell is no number that the network can be given.
        """
        known = set(table.columns)
        for column in self.columns:
            if column not in known:
                raise DataError(f"{table.path} has no column {column!r}, an input of the run{table.why_not(column)}")
        stored = table.numbers(self.columns)
        means, stds = (torch.tensor(given, dtype=torch.float64) for given in (self.column_means, self.column_stds))
        stored.sub_(means).div_(stds)  # in place: a large table is not held twice
        if max(map(abs, stored.aminmax())) > LARGEST:
            row, column = (stored.abs() > LARGEST).nonzero()[0].tolist()
            value = table.numbers([self.columns[column]])[row, 0]
            raise DataError(
                f"{table.path}: row {table.rows[row]}, column {self.columns[column]!r} is "
                f"{value:.6g}, too far from the {means[column]:.6g} of the run's training rows"
            )
        return stored

    def _why_no_image(self) -> str:
        shape = self.input_shape
        if len(shape) != 3 or shape[0] not in (1, 3):
            return f"the run's inputs are neither images nor the rows of a CSV file: one has shape {shape}"
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
            _check(values)
            values["class_names"] = map(str, values["class_names"])
            lists = ("input_shape", "class_names", "columns", "column_means", "column_stds")
            scales = [key for key in ("mean", "std") if isinstance(values.get(key), list)]
            return cls(**values | {key: tuple(values.get(key, ())) for key in (*lists, *scales)})
        except OSError:
            raise RunFolderError(f"{paths.folder} has no {paths.data.name}: no run started in it") from None
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise RunFolderError(f"{paths.data} is damaged: {error}") from None


def _check(values: Any) -> None:
    """Raise ValueError with the first value that cannot be used."""
    if not isinstance(values, dict):
        raise ValueError("it holds no JSON object")
    for key, (holds, what) in _VALUES.items():
        if key in values and not holds(values[key]):
            raise ValueError(f"`{key}` must be {what} but is {values[key]!r}")
    classes, names = values.get("num_classes"), values.get("class_names", [])
    if classes is not None and len(names) < classes:
        raise ValueError(f"`class_names` must name {classes} classes but names {len(names)}")
    for key in ("mean", "std"):
        if key in values and not suits(values[key], values.get("input_shape", ())):
            raise ValueError(f"`{key}` must be a number, or a list of one a channel, but is {values[key]!r}")
    columns = len(values.get("columns", ()))
    for key in ("column_means", "column_stds"):
        if len(values.get(key, ())) != columns:
            raise ValueError(
                f"`{key}` must hold a number for each of {columns} columns but holds {len(values.get(key, ()))}"
            )
    if columns and values.get("input_shape") != [columns]:
        raise ValueError(
            f"`input_shape` must be [{columns}], as there are {columns} columns, but is {values.get('input_shape')}"
        )
