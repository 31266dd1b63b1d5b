"""Numbers from a CSV file: one column is the target, the others are the inputs."""

import csv
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lightsweep.config.check import nearest
from lightsweep.data.datamodule import ArrayDataModule, NoTestSet
from lightsweep.data.description import Description
from lightsweep.data.spec import Arrays, DataSpec
from lightsweep.errors import ConfigError, DataError
from lightsweep.screen import many

MAX_FIELD = 1_000_000
"""Longest cell that is read, in characters."""

MOST_LISTED = 10
"""Column names that a message lists."""

_LARGEST = torch.finfo(torch.float32).max


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
        DataError: a file that cannot be read, a cell that is empty or no finite number, with row and column, a column
            whose numbers float32 cannot hold, or two classes whose texts differ by blanks at their ends alone.
        ConfigError: a target column that the file does not have.
    """

    def __init__(self, path: str, target: str, task: str, test_size: int = 0, **options: Any) -> None:
        super().__init__(**options)
        if task not in ("classification", "regression"):
            raise ConfigError(f"`data.task` must be classification or regression but got {task!r}")
        self.test_size = test_size
        columns, rows = read_table(Path(path))
        if target not in columns:
            hint = _separated(columns) or nearest(target, columns) or f"; it has {_listed(columns)}"
            raise ConfigError(f"`data.target` {target!r} is no column of {path}{hint}")
        if len(columns) < 2:
            raise DataError(f"{path} has the target column {target!r} but no input column")
        if test_size >= len(rows):
            raise ConfigError(
                f"`data.test_size` must be below the {many(len(rows), 'row')} of {path} but got {test_size}"
            )
        index = columns.index(target)
        labels = {line: row.pop(index) for line, row in rows.items()}
        names = columns[:index] + columns[index + 1 :]
        inputs = torch.tensor(
            [
                [_number(cell, path, line, name) for cell, name in zip(row, names, strict=True)]
                for line, row in rows.items()
            ],
            dtype=torch.float64,
        )
        self._columns = tuple(names)
        if task == "regression":
            values = [[_number(label, path, line, target)] for line, label in labels.items()]
            targets, classes = torch.tensor(values, dtype=torch.float64), []
            if targets.abs().max() > _LARGEST:
                raise DataError(f"{path}: column {target!r} must hold numbers up to {_LARGEST:.2g} in size")
        else:
            classes = _classes(labels, path, target)
            indices = {label: index for index, label in enumerate(classes)}
            targets = torch.tensor([indices[label] for label in labels.values()])
            if len(classes) < 2:
                raise DataError(f"{path}: column {target!r} holds one class alone, {classes[0]!r}")
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
        fits = self._stds.isfinite() & (inputs.abs() <= _LARGEST).all(0)  # which NaN is not
        if not fits.all():
            column = self._columns[int(fits.int().argmin())]
            raise DataError(
                f"{path}: column {column!r} cannot be standardised: its numbers are too large or too close together"
            )
        arrays = Arrays(inputs, targets)
        return arrays.take(shuffled[:boundary].sort().values), arrays.take(shuffled[boundary:].sort().values)


def read_table(path: Path) -> tuple[list[str], dict[int, list[str]]]:
    """The column names and the rows of a CSV file, as text; rows by their number in the file, where the header is 1.

    Empty lines are passed over.

    Raises:
        DataError: no such file, not UTF-8, no rows, an overlong cell, or a row of another length.
    """
    csv.field_size_limit(MAX_FIELD)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            columns, *lines = list(csv.reader(file)) or [[]]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV file in UTF-8: {error}") from None
    if len(set(columns)) < len(columns):
        raise DataError(f"{path}: two columns have the same name")
    rows = {line: row for line, row in enumerate(lines, 2) if row}
    if not rows:
        raise DataError(f"{path} has no rows below its header")
    for line, row in rows.items():
        if len(row) != len(columns):
            hint = _separated(columns)
            raise DataError(f"{path}: row {line} has {len(row)} cells, the header has {len(columns)}{hint}")
    return columns, rows


def _separated(columns: list[str]) -> str:
    """What a header of one cell looks like, if it is not commas that part its columns; else an empty text."""
    found = {";": "semicolons", "\t": "tabs", "|": "bars"} if len(columns) == 1 else {}
    for sign, name in found.items():
        if sign in columns[0]:
            return f"; its header looks parted by {name}, but must be by commas"
    return ""


def _listed(columns: list[str]) -> str:
    """The first columns' names."""
    more = f" and {len(columns) - MOST_LISTED} more" if len(columns) > MOST_LISTED else ""
    return ", ".join(repr(column[:40]) for column in columns[:MOST_LISTED]) + more


def _scale(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and the standard deviation of each column; of a constant one exactly its value, and 1."""
    varies = rows.amin(0) < rows.amax(0)
    return torch.where(varies, rows.mean(0), rows[0]), torch.where(varies, rows.std(0, correction=0), 1.0)


def _number(cell: str, path: str, line: int, column: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{path}: row {line}, column {column!r} must be a finite number but is {cell[:40]!r}")
    return value


def _classes(labels: dict[int, str], path: str, column: str) -> list[str]:
    """The distinct labels, in the same order in every process."""
    for line, label in labels.items():
        if not label.strip():
            raise DataError(f"{path}: row {line}, column {column!r} must name a class but is {label[:40]!r}")
    found = sorted(set(labels.values()))
    spellings: dict[str, str] = {}
    for label in found:
        other = spellings.setdefault(label.strip(), label)
        if other != label:
            raise DataError(f"{path}: classes {other[:40]!r} and {label[:40]!r} of {column!r} differ by blanks alone")
    try:
        numbers = {label: float(label) for label in found}
    except ValueError:
        return found
    return sorted(found, key=lambda label: numbers[label]) if all(map(math.isfinite, numbers.values())) else found
