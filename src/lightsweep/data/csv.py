"""Numbers from a CSV file: one column is the target, the others are the inputs."""

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lightsweep.config.nearest import nearest
from lightsweep.data.datamodule import OWN, ArrayDataModule, NoTestSet
from lightsweep.data.description import Description
from lightsweep.data.spec import Arrays, DataSpec
from lightsweep.data.table import LARGEST, Table
from lightsweep.errors import ConfigError, DataError
from lightsweep.screen import many


class CSV(ArrayDataModule):
    """A table with a header line.

    Inputs are standardised by the mean and standard deviation of this table's rows that are trained on; a column that
    is constant there becomes 0. Classes are the target column's distinct texts, in sorted order: as numbers where all
    are finite ones, else as texts. Tables beside it have its inputs and target, in any order; others are passed over.

    Args:
        path: the file, UTF-8.
        target: name of the target column.
        task: `classification` or `regression`.
        test_size: rows kept for the test set, drawn by `split_seed`.
        val_path: a file of the rows to validate on, for `val_size=own`.
        test_path: a file of the test set, in place of `test_size` rows.
        ignore: names of columns that are no inputs; what they hold is not looked at.
        options: see `ArrayDataModule`.

    Raises:
        DataError: a file that cannot be read, a column without a name, a cell that is empty or no finite number, with
            row and column, a column whose numbers float32 cannot hold, two classes whose texts differ by blanks at
            their ends alone, or a table beside this one that lacks a column or has a further class.
        ConfigError: a target or ignored column that the file does not have, a target of numbers for classification, no
            input column that is not ignored, or settings that contradict each other.
    """

    def __init__(
        self,
        path: str,
        target: str,
        task: str,
        test_size: int = 0,
        val_path: str | None = None,
        test_path: str | None = None,
        ignore: Sequence[str | float] = (),
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if task not in ("classification", "regression"):
            raise ConfigError(f"`data.task` must be classification or regression but got {task!r}")
        if (val_path is None) == (self.val_size == OWN):
            raise ConfigError("`data.val_path` and `data.val_size=own` are given together or not at all")
        if test_path is not None and test_size:
            raise ConfigError(f"`data.test_size` must be 0 where there is a `data.test_path` but got {test_size}")
        self.target, self.test_size, self.val_path, self.test_path = target, test_size, val_path, test_path
        table = Table.read(Path(path))
        self._columns = _inputs(table, target, [str(column) for column in ignore])
        if test_size >= len(table.rows):
            raise ConfigError(
                f"`data.test_size` must be below the {many(len(table.rows), 'row')} of {path} but got {test_size}"
            )
        labels = table.texts(target) if task == "classification" else []
        classes = _classes(table, target, labels) if task == "classification" else []
        self.spec = DataSpec((len(self._columns),), len(classes) or None, tuple(classes))
        inputs = table.numbers(self._columns, "; if that column is no input, add it to `data.ignore`")
        targets = self._targets(table, labels)
        del table, labels  # the file's bytes are as many as its numbers'
        shuffled = torch.randperm(len(targets), generator=torch.Generator().manual_seed(self.split_seed + 1))
        train, test = (part.sort().values for part in shuffled.tensor_split([len(targets) - test_size]))
        self._means, self._stds = _scale(inputs[train[self._trained(targets[train])]])
        inputs.sub_(self._means).div_(self._stds)  # in place: a large table is not held twice
        lowest, highest = inputs.aminmax(dim=0)
        fits = self._stds.isfinite() & (torch.maximum(-lowest, highest) <= LARGEST)  # which NaN is not
        if not fits.all():
            column = self._columns[int(fits.int().argmin())]
            raise DataError(
                f"{path}: column {column!r} cannot be standardised: its numbers are too large or too close together"
            )
        arrays = Arrays(inputs, targets)
        self._train, self._test = arrays.take(train), arrays.take(test)

    def describe(self) -> Description:
        """With the names of the input columns, and what each was standardised by."""
        means, stds = tuple(self._means.tolist()), tuple(self._stds.tolist())
        return replace(super().describe(), columns=self._columns, column_means=means, column_stds=stds)

    @property
    def tests(self) -> bool:
        """Whether rows are kept for the test set, or a file has it."""
        return self.test_size > 0 or self.test_path is not None

    def load_train(self) -> Arrays:
        """The rows that are not test rows."""
        return self._train

    def load_val(self) -> Arrays:
        """The rows of `val_path`."""
        return self._beside(self.val_path)

    def load_test(self) -> Arrays:
        """The `test_size` test rows, or those of `test_path`."""
        if not self.tests:
            raise NoTestSet
        return self._test if self.test_path is None else self._beside(self.test_path)

    def _trained(self, targets: Tensor) -> Tensor:
        """Which of the rows that are not test rows are not drawn for validation either, as `setup` divides them."""
        own = self.val_size == OWN and self.fold is None
        return torch.arange(len(targets)) if own else self._split(targets)[0]

    def _beside(self, path: str | None) -> Arrays:
        assert path is not None
        table = Table.read(Path(path))
        if self.target not in table.columns:
            raise DataError(f"{path} has no column {self.target!r}, the target{table.why_not(self.target)}")
        labels = table.texts(self.target) if self.spec.num_classes is not None else []
        return Arrays(self.describe().rows(table), self._targets(table, labels))

    def _targets(self, table: Table, labels: list[str]) -> Tensor:
        """`[N, 1]` float64 numbers, or `[N]` int64 classes by the rows' labels."""
        if self.spec.num_classes is None:
            targets = table.numbers([self.target])
            if targets.abs().max() > LARGEST:
                raise DataError(f"{table.path}: column {self.target!r} must hold numbers up to {LARGEST:.2g} in size")
            return targets
        indices = {label: index for index, label in enumerate(self.spec.class_names)}
        for line, label in zip(table.rows, labels, strict=True):
            if label not in indices:
                told = f"row {line}, column {self.target!r} is {label[:40]!r}"
                raise DataError(f"{table.path}: {told}, no class of the training rows{nearest(label, indices)}")
        return torch.tensor([indices[label] for label in labels])


def _inputs(table: Table, target: str, ignore: Collection[str]) -> tuple[str, ...]:
    """The names of the columns that are neither the target nor ignored."""
    if target not in table.columns:
        raise ConfigError(f"`data.target` {target!r} is no column of {table.path}{table.why_not(target)}")
    if target in ignore:
        raise ConfigError(f"`data.ignore` must not name the target column {target!r}")
    for column in ignore:
        if column not in table.columns:
            raise ConfigError(f"`data.ignore` names {column!r}, no column of {table.path}{table.why_not(column)}")
    for number, column in enumerate(table.columns, 1):
        if not column.strip() and column not in ignore:
            advice = "name it, or leave it out, as pandas does its index with index=False"
            raise DataError(f"{table.path}: column {number} has no name: {advice}")
    if len(table.columns) == 1:
        raise DataError(f"{table.path} has the target column {target!r} but no input column")
    inputs = tuple(column for column in table.columns if column != target and column not in ignore)
    if not inputs:
        raise ConfigError(f"`data.ignore` must leave an input column of {table.path} but names all of them")
    return inputs


def _scale(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and the standard deviation of each column; of a constant one exactly its value, and 1."""
    varies = rows.amin(0) < rows.amax(0)
    return torch.where(varies, rows.mean(0), rows[0]), torch.where(varies, rows.std(0, correction=0), 1.0)


def _classes(table: Table, column: str, labels: list[str]) -> list[str]:
    """The distinct ones of a column's labels, in the same order in every process."""
    path = table.path
    for line, label in zip(table.rows, labels, strict=True):
        if not label.strip():
            raise DataError(f"{path}: row {line}, column {column!r} must name a class but is {label[:40]!r}")
    found = sorted(set(labels))
    spellings: dict[str, str] = {}
    for label in found:
        other = spellings.setdefault(label.strip(), label)
        if other != label:
            raise DataError(f"{path}: classes {other[:40]!r} and {label[:40]!r} of {column!r} differ by blanks alone")
    if len(found) < 2:
        raise DataError(f"{path}: column {column!r} holds one class alone, {found[0]!r}")
    if len(found) > len(labels) / 2 and _are_fractions(found):
        raise ConfigError(
            f"`data.task` must be regression for column {column!r} of {path}, which holds "
            f"{len(found)} different numbers in {len(labels)} rows, but is classification"
        )
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
