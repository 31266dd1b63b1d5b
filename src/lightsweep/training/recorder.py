"""Writes metrics as they come: `metrics.csv` in the run's folder, and whatever loggers are configured."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from lightning.pytorch.loggers import Logger

from lightsweep.files import write_text
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

    def rewind(self, step: int) -> None:
        """Forget rows after a step: the run goes on from there, and would write them again."""
        if not self.active or not self.path.is_file():
            return
        with self.path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            kept = [row for row in reader if (row["step"] or "").isdigit() and int(row["step"]) <= step]
            self.columns = list(reader.fieldnames or [])
        self._rewrite(kept)

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
        self._rewrite(rows)

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.path, text.getvalue())
