"""A run's `metrics.csv` read back: row by row, or whole as columns, since a long run has a million rows."""

import csv
import math
from array import array
from collections import defaultdict
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightsweep.statistics import is_finite


def rows(path: Path) -> Iterator[dict[str, float]]:
    """The finite numbers of each row; none where there is no such file, and a half-written last row is left out."""
    lines = _whole_lines(path)
    head = _cells(next(lines, ""))
    for row in map(_cells, lines):
        numbers = {}
        for name, value in zip(head, row, strict=False):
            if value:  # most are empty, and a ValueError takes longer than a number
                try:
                    number = float(value)
                except ValueError:
                    continue
                if is_finite(number):
                    numbers[name] = number
        yield numbers


def columns(path: Path) -> dict[str, NDArray[np.float64]]:
    """The same by columns, each of shape [rows], NaN where a row has none; a column without a number is left out."""
    found: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
    count = 0
    for number, row in enumerate(rows(path)):
        for name, value in row.items():
            column = found[name]
            column.extend(repeat(math.nan, number - len(column)))
            column.append(value)
        count = number + 1
    for column in found.values():
        column.extend(repeat(math.nan, count - len(column)))
    return {name: np.frombuffer(column) for name, column in found.items()}


def _whole_lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            for line in file:
                if not line.endswith("\n"):
                    return
                yield line.replace("\0", "").rstrip("\r\n")
    except OSError:
        return


def _cells(line: str) -> list[str]:
    """A row by itself: what a damaged one opens, as a quotation, does not reach into the next ones."""
    if '"' not in line:  # a reader for each row takes much longer
        return line.split(",") if line else []
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []
