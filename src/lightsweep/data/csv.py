"""Numbers from a CSV file: one column is the target, the others are the inputs."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lightsweep.data.datamodule import ArrayDataModule, NoTestSet
from lightsweep.data.description import Description
from lightsweep.data.spec import Arrays, DataSpec
from lightsweep.data.table import LARGEST, Table
from lightsweep.errors import ConfigError, DataError
from lightsweep.screen import many


class CSV(ArrayDataModule):
    """A table with a header line.

    Inputs are standardised by the mean and standard deviation of the rows that are not test rows; a column that is
    constant becomes 0. Classes are the target column's distinct texts, in sorted order: as numbers where all are finite
    ones, else as texts.

    Args:
        path: the file, UTF-8.
        target: name of the target column.
        task: `classification` or `regression`.
        test_size: rows kept for the test set, drawn by `split_seed`.
        options: see `ArrayDataModule`.

    Raises:
        DataError: a file that cannot be read, a column without a name, a cell that is empty or no finite number, with
            row and column, a column whose numbers float32 cannot hold, or two classes whose texts differ by blanks at
            their ends alone.
        ConfigError: a target column that the file does not have, or one of numbers for classification.
    """

    def __init__(self, path: str, target: str, task: str, test_size: int = 0, **options: Any) -> None:
        super().__init__(**options)
        if task not in ("classification", "regression"):
            raise ConfigError(f"`data.task` must be classification or regression but got {task!r}")
        self.test_size = test_size
        table = Table.read(Path(path))
        if target not in table.columns:
            raise ConfigError(f"`data.target` {target!r} is no column of {path}{table.why_not(target)}")
        names = [column for column in table.columns if column != target]
        for number, column in enumerate(table.columns, 1):
            if not column.strip():
                advice = "name it, or leave it out, as pandas does its index with index=False"
                raise DataError(f"{path}: column {number} has no name: {advice}")
        if not names:
            raise DataError(f"{path} has the target column {target!r} but no input column")
        if test_size >= len(table.rows):
            raise ConfigError(
                f"`data.test_size` must be below the {many(len(table.rows), 'row')} of {path} but got {test_size}"
            )
        inputs = table.numbers(names)
        self._columns = tuple(names)
        if task == "regression":
            targets, classes = table.numbers([target]), []
            if targets.abs().max() > LARGEST:
                raise DataError(f"{path}: column {target!r} must hold numbers up to {LARGEST:.2g} in size")
        else:
            classes = _classes(table, target)
            indices = {label: index for index, label in enumerate(classes)}
            targets = torch.tensor([indices[label] for label in table.texts(target)])
            if len(classes) < 2:
                raise DataError(f"{path}: column {target!r} holds one class alone, {classes[0]!r}")
            if len(classes) > len(targets) / 2 and _are_fractions(classes):
                raise ConfigError(
                    f"`data.task` must be regression for column {target!r} of {path}, which holds "
                    f"{len(classes)} different numbers in {len(targets)} rows, but is classification"
                )
        self.spec = DataSpec((len(names),), len(classes) or None, tuple(classes))
        self._train, self._test = self._divide(inputs, targets, path)

    def describe(self) -> Description:
        """With the names of the input columns, and what each was standardised by."""
        means, stds = tuple(self._means.tolist()), tuple(self._stds.tolist())
        return replace(super().describe(), columns=self._columns, column_means=means, column_stds=stds)

    @property
    def tests(self) -> bool:
        """Whether rows are kept for the test set."""
        return self.test_size > 0

    def load_train(self) -> Arrays:
        """The rows that are not test rows."""
        return self._train

    def load_test(self) -> Arrays:
        """The `test_size` test rows."""
        if not self.tests:
            raise NoTestSet
        return self._test

    def _divide(self, inputs: Tensor, targets: Tensor, path: str) -> tuple[Arrays, Arrays]:
        shuffled = torch.randperm(len(targets), generator=torch.Generator().manual_seed(self.split_seed + 1))
        boundary = len(targets) - self.test_size
        self._means, self._stds = _scale(inputs[shuffled[:boundary]])
        inputs = (inputs - self._means) / self._stds
        fits = self._stds.isfinite() & (inputs.abs() <= LARGEST).all(0)  # which NaN is not
        if not fits.all():
            column = self._columns[int(fits.int().argmin())]
            raise DataError(
                f"{path}: column {column!r} cannot be standardised: its numbers are too large or too close together"
            )
        arrays = Arrays(inputs, targets)
        return arrays.take(shuffled[:boundary].sort().values), arrays.take(shuffled[boundary:].sort().values)


def _scale(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and the standard deviation of each column; of a constant one exactly its value, and 1."""
    varies = rows.amin(0) < rows.amax(0)
    return torch.where(varies, rows.mean(0), rows[0]), torch.where(varies, rows.std(0, correction=0), 1.0)


def _classes(table: Table, column: str) -> list[str]:
    """The distinct labels, in the same order in every process."""
    path, labels = table.path, table.texts(column)
    for line, label in zip(table.rows, labels, strict=True):
        if not label.strip():
            raise DataError(f"{path}: row {line}, column {column!r} must name a class but is {label[:40]!r}")
    found = sorted(set(labels))
    spellings: dict[str, str] = {}
    for label in found:
        other = spellings.setdefault(label.strip(), label)
        if other != label:
            raise DataError(f"{path}: classes {other[:40]!r} and {label[:40]!r} of {column!r} differ by blanks alone")
    numbers = _numbers(found)
    return found if numbers is None else sorted(found, key=lambda label: numbers[label])


def _numbers(labels: list[str]) -> dict[str, float] | None:
    """What labels are as numbers; None unless all are finite ones."""
    try:
        numbers = {label: float(label) for label in labels}
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers.values())) else None


def _are_fractions(labels: list[str]) -> bool:
    """Whether labels are numbers, and not all of them whole."""
    return not all(number.is_integer() for number in (_numbers(labels) or {}).values())
