"""Writes metrics as they come: `metrics.csv` in the run's folder, and whatever loggers are configured."""

import csv
import os
from collections.abc import Mapping
from pathlib import Path

from lightning.pytorch.loggers import Logger

from lightsweep.training.clock import Clock

_FIXED = ("step", "epoch", "seconds")


class Recorder:
    """One row for each logging point, and the same numbers to the loggers.

    Args:
        path: the CSV file. A column that appears later is added to the header, and the file is written anew.
        loggers: Lightning loggers.
        clock: gives the column `seconds`, and is told what the writing takes.
        active: False on all processes but the first, which then write nothing.
    """

    def __init__(self, path: Path, loggers: list[Logger], clock: Clock, active: bool = True) -> None:
        self.path, self.loggers, self.clock, self.active = path, loggers, clock, active
        self.columns: list[str] = []

    def log(self, step: int, epoch: float, metrics: Mapping[str, float]) -> None:
        """Write metrics of a step.

        Args:
            step: optimizer steps made.
            epoch: passes over the training split made, with the fraction of the present one.
            metrics: finite or not, they are written as they are.
        """
        if not self.active or not metrics:
            return
        with self.clock.part("logging"):
            row = {"step": step, "epoch": round(epoch, 6), "seconds": round(self.clock.total, 3), **metrics}
            self._write(row)
            for logger in self.loggers:
                logger.log_metrics({**metrics, "epoch": epoch}, step)

    def _write(self, row: Mapping[str, float]) -> None:
        new = [name for name in row if name not in self.columns]
        if new:
            self._widen(new)
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns, restval="").writerow(row)

    def _widen(self, new: list[str]) -> None:
        """Add columns, keeping the rows that are there."""
        rows: list[dict[str, str]] = []
        if self.path.is_file():
            with self.path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                rows = list(reader)
                self.columns = list(reader.fieldnames or [])
        self.columns += [name for name in new if name not in self.columns]
        part = self.path.with_suffix(".part")
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
        os.replace(part, self.path)
