"""A CSV file as text, and its columns as numbers; whatever is wrong with it is said with its name, row and column."""

import csv
import io
import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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

    The file is held as its bytes, and gone through for each question: as texts, its cells take ten times as much.

    Attributes:
        path: the file.
        columns: their names.
        rows: their numbers in the file, where the header is 1.
    """

    path: Path
    columns: Sequence[str]
    rows: Sequence[int]
    _content: bytes = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> "Table":
        """Read a file; empty lines are passed over.

        Raises:
            DataError: no such file, not UTF-8, no header, no rows, an overlong cell, or a row of another length.
        """
        csv.field_size_limit(MAX_FIELD)
        rows, odd = array("q"), None
        try:
            content = path.read_bytes()
            lines = _lines(content)
            columns = next(lines, [])
            for number, row in enumerate(lines, 2):
                if row:
                    rows.append(number)
                    odd = (number, len(row)) if odd is None and len(row) != len(columns) else odd
        except OSError as error:
            raise DataError(f"{path} {why_unread(error, path)}") from None
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{path} is no CSV file in UTF-8: {error}") from None
        if not columns:
            raise DataError(f"{path} has no header: its first line is empty")
        if len(set(columns)) < len(columns):
            raise DataError(f"{path}: two columns have the same name")
        if not rows:
            raise DataError(f"{path} has no rows below its header")
        if odd is not None:
            number, cells = odd
            raise DataError(
                f"{path}: row {number} has {cells} cells, the header has {len(columns)}{_separated(columns)}"
            )
        return cls(path, columns, rows, content)

    def texts(self, column: str) -> list[str]:
        """A column's cells."""
        place = self.columns.index(column)
        return [row[place] for row in self._cells()]

    def numbers(self, columns: Sequence[str], advice: str = "") -> Tensor:
        """Columns of numbers, float64 `[N, len(columns)]`.

        Args:
            columns: their names.
            advice: what to say behind the name of a cell that is none.

        Raises:
            DataError: a cell is empty or no finite number.
        """
        place_of = {column: place for place, column in enumerate(self.columns)}
        places = [place_of[column] for column in columns]
        values = array("d")
        try:
            for row in self._cells():
                values.extend([float(row[place]) for place in places])
        except ValueError:
            raise self._no_number(places, advice) from None
        found = torch.frombuffer(values, dtype=torch.float64).view(-1, len(places))
        if not all(map(math.isfinite, found.aminmax())):  # without a copy of the table
            raise self._no_number(places, advice)
        return found

    def why_not(self, column: str) -> str:
        """What to say behind the name of a column that is not there: the nearest, or those that are."""
        return _separated(self.columns) or nearest(column, self.columns) or f"; it has {_listed(self.columns)}"

    def _cells(self) -> Iterator[Sequence[str]]:
        """The rows' cells, in the rows' order."""
        lines = _lines(self._content)
        next(lines)
        return filter(None, lines)

    def _no_number(self, places: Sequence[int], advice: str) -> DataError:
        """Says which is the first cell that is no finite number."""
        for number, row in zip(self.rows, self._cells(), strict=True):
            for place in places:
                if not _is_finite(row[place]):
                    where = f"{self.path}: row {number}, column {self.columns[place]!r}"
                    return DataError(f"{where} must be a finite number but is {row[place][:40]!r}{advice}")
        raise AssertionError("all cells are finite numbers")


def _lines(content: bytes) -> Iterator[list[str]]:
    return csv.reader(io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline=""))


def _is_finite(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


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
