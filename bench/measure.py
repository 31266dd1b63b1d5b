"""What a measurement is: samples of two sides taken in turn, their medians, the spread, and the goal."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Sample:
    """Repeated readings of one quantity.

    Attributes:
        name: whose readings they are.
        values: at least one, in `unit`.
        unit: such as `ms`, `s` or `MiB`.
    """

    name: str
    values: tuple[float, ...]
    unit: str

    @property
    def median(self) -> float:
        """The middle reading."""
        return median(self.values)

    def __str__(self) -> str:
        low, high = min(self.values), max(self.values)
        return f"{self.name} {number(self.median)} ({number(low)}–{number(high)}) {self.unit}"


@dataclass(frozen=True)
class Goal:
    """A limit that a value should keep, from below or from above."""

    limit: float
    at_most: bool
    unit: str = ""

    def met(self, value: float) -> bool:
        """Whether a value keeps the limit."""
        return value <= self.limit if self.at_most else value >= self.limit

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {number(self.limit)}{self.unit and ' ' + self.unit}"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        measure: such as `S1`.
        name: what was measured.
        value: a ratio of medians, or a quantity in the goal's unit.
        spread: smallest and largest value among the pairs.
        num_pairs: pairs of readings, or readings where there is one side.
        goal: what to reach; None for a row that only informs.
        samples: the readings behind the value.
        compared: the mathematics and the commands of both sides.
        checked: what was found equal before anything was timed.
        notes: what a reader must know to believe the value.
    """

    measure: str
    name: str
    value: float
    spread: tuple[float, float]
    num_pairs: int
    goal: Goal | None
    samples: tuple[Sample, ...]
    compared: str
    checked: str = ""
    notes: tuple[str, ...] = ()

    @property
    def reached(self) -> bool | None:
        """Whether the goal was reached; None where there is none."""
        return None if self.goal is None else self.goal.met(self.value)

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON can hold it."""
        return {
            "measure": self.measure,
            "name": self.name,
            "value": self.value,
            "spread": list(self.spread),
            "n": self.num_pairs,
            "goal": None if self.goal is None else str(self.goal),
            "reached": self.reached,
            "samples": {s.name: {"unit": s.unit, "median": s.median, "values": list(s.values)} for s in self.samples},
            "compared": self.compared,
            "checked": self.checked,
            "notes": list(self.notes),
        }


def ratio_row(measure: str, name: str, over: Sample, under: Sample, goal: Goal, **texts: Any) -> Row:
    """The ratio of two samples' medians; the readings at one index were taken one after the other."""
    ratios = [a / b for a, b in zip(over.values, under.values, strict=True)]
    value = over.median / under.median
    return Row(measure, name, value, (min(ratios), max(ratios)), len(ratios), goal, (over, under), **texts)


def quantity_row(measure: str, name: str, sample: Sample, goal: Goal, **texts: Any) -> Row:
    """One side's median."""
    spread = (min(sample.values), max(sample.values))
    return Row(measure, name, sample.median, spread, len(sample.values), goal, (sample,), **texts)


def alternating(first: Callable[[], float], second: Callable[[], float], num_pairs: int) -> tuple[list, list]:
    """Readings of two sides, one pair after the other; every other pair begins with the second side."""
    found: tuple[list[float], list[float]] = ([], [])
    for index in range(num_pairs):
        for side in (0, 1) if index % 2 == 0 else (1, 0):
            found[side].append((first, second)[side]())
    return found


def number(value: float) -> str:
    """Three or four significant digits, without an exponent."""
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:,.{digits}f}"
