"""A CSV file as text, and its columns as numbers; whatever is wrong with it is said with its name, row and column."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lightsweep.config.nearest import nearest
from lightsweep.errors import DataError
from lightsweep.files import why_unread

MAX_FIELD = 1_000_000
"""Longest cell that is read, in characters."""

MOST_LISTED = 10
"""Column names that a message lists."""

LARGEST = torch.finfo(torch.float32).max
"""The largest number that a network is given, and that it is trained to give."""


@dataclass(frozen=True)
class Table:
    """The cells of a CSV file with a header line.

    Attributes:
        path: the file.
        columns: their names.
        rows: by their number in the file, where the header is 1.
    """

    path: Path
    columns: Sequence[str]
    rows: Mapping[int, Sequence[str]]

    @classmethod
    def read(cls, path: Path) -> "Table":
        """Read a file; empty lines are passed over.

        Raises:
            DataError: no such file, not UTF-8, no header, no rows, an overlong cell, or a row of another length.
        """
        csv.field_size_limit(MAX_FIELD)
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                columns, *lines = list(csv.reader(file)) or [[]]
        except OSError as error:
            raise DataError(f"{path} {why_unread(error, path)}") from None
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{path} is no CSV file in UTF-8: {error}") from None
        if not columns:
            raise DataError(f"{path} has no header: its first line is empty")
        if len(set(columns)) < len(columns):
            raise DataError(f"{path}: two columns have the same name")
        rows = {line: row for line, row in enumerate(lines, 2) if row}
        if not rows:
            raise DataError(f"{path} has no rows below its header")
        for line, row in rows.items():
            if len(row) != len(columns):
                hint = _separated(columns)
                raise DataError(f"{path}: row {line} has {len(row)} cells, the header has {len(columns)}{hint}")
        return cls(path, columns, rows)

    def texts(self, column: str) -> list[str]:
        """A column's cells."""
        place = self.columns.index(column)
        return [row[place] for row in self.rows.values()]

    def numbers(self, columns: Sequence[str], advice: str = "") -> Tensor:
        """Columns of numbers, float64 `[N, len(columns)]`.

        Args:
            columns: their names.
            advice: what to say behind the name of a cell that is none.

        Raises:
            DataError: a cell is empty or no finite number.
        """
        places = [self.columns.index(column) for column in columns]
        values = [
            [self._number(line, row[place], place, advice) for place in places] for line, row in self.rows.items()
        ]
        return torch.tensor(values, dtype=torch.float64)

    def why_not(self, column: str) -> str:
        """What to say behind the name of a column that is not there: the nearest, or those that are."""
        return _separated(self.columns) or nearest(column, self.columns) or f"; it has {_listed(self.columns)}"

    def _number(self, line: int, cell: str, place: int, advice: str) -> float:
        try:
            value = float(cell)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            where = f"{self.path}: row {line}, column {self.columns[place]!r}"
            raise DataError(f"{where} must be a finite number but is {cell[:40]!r}{advice}")
        return value


def _separated(columns: Sequence[str]) -> str:
    """What a header of one cell looks like, if it is not commas that part its columns; else an empty text."""
    found = {";": "semicolons", "\t": "tabs", "|": "bars"} if len(columns) == 1 else {}
    for sign, name in found.items():
        if sign in columns[0]:
            return f"; its header looks parted by {name}, but must be by commas"
    return ""


def _listed(columns: Sequence[str]) -> str:
    """The first columns' names."""
    more = f" and {len(columns) - MOST_LISTED} more" if len(columns) > MOST_LISTED else ""
    return ", ".join(repr(column[:40]) for column in columns[:MOST_LISTED]) + more
