"""Writes metrics as they come: `metrics.csv` in the run's folder, and whatever loggers are configured.

The loggers are also told the run's settings at its start, and the metrics of its test at its end.
"""

import csv
import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lightning.pytorch.loggers import Logger

from lightsweep.files import write_text
from lightsweep.training.clock import Clock
from lightsweep.training.event_files import cut_back, event_sizes
from lightsweep.training.logger_runs import LoggerRuns
from lightsweep.training.watching import Watcher, WatchingLogger

_FIXED = ("step", "epoch", "seconds")


class Recorder:
    """One row for each logging point, and the same numbers to the loggers and their watchers.

    Args:
        path: the CSV file. A column that appears later is added to the header, and the file is written anew.
        loggers: Lightning loggers.
        clock: gives the column `seconds`, and is told what the writing takes.
        active: False on all processes but the first, which then write nothing.
        watchers: told each row, on all processes.
        settings: the run's configuration, as plain data.
        runs: the loggers' own.
    """

    def __init__(
        self,
        path: Path,
        loggers: list[Logger],
        clock: Clock,
        active: bool = True,
        watchers: Sequence[Watcher] = (),
        settings: Mapping[str, Any] = MappingProxyType({}),
        runs: LoggerRuns | None = None,
    ) -> None:
        self.path, self.loggers, self.clock, self.active, self.watchers = path, loggers, clock, active, watchers
        self.settings, self.runs = settings, runs
        self._introduced: list[Logger] = []
        self.columns: list[str] = []
        self._rows = 0
        self._logged_step = -1

    def introduce(self) -> None:
        """Tell the loggers what is run, before the first row; one that brings a watcher shows that in its own way."""
        if self.active:
            self._introduced = [logger for logger in self.loggers if not isinstance(logger, WatchingLogger)]
        with self.clock.part("logging"):
            for logger in self._introduced:
                if self.runs is None or not self.runs.goes_on(logger):
                    logger.log_hyperparams(dict(self.settings))
            if self.active and self.runs is not None:
                self.runs.note()

    def conclude(self, step: int, metrics: Mapping[str, float]) -> None:
        """Tell the same loggers the metrics of the test, which no row has; none where another process introduced them.

        Args:
            step: optimizer steps made.
            metrics: empty where there was no test.
        """
        for logger in self._introduced if metrics else ():
            logger.log_metrics(dict(metrics), step)
            logger.save()  # Lightning has finalized it, after the test

    def log(self, step: int, epoch: float, metrics: Mapping[str, float]) -> None:
        """Write metrics of a step.

        Args:
            step: optimizer steps made.
            epoch: passes over the training split made, with the fraction of the present one.
            metrics: finite or not, they are written as they are.
        """
        if not metrics:
            return
        if not self.active:
            self._show(step, epoch, metrics)
            return
        with self.clock.part("logging"):
            row = {"step": step, "epoch": round(epoch, 6), "seconds": round(self.clock.total, 3), **metrics}
            self._write(row)
            values = dict(metrics) if step == self._logged_step else {**metrics, "epoch": epoch}
            self._logged_step = step
            for logger in self.loggers:
                logger.log_metrics(values, step)
            self._show(step, epoch, metrics)

    def state_dict(self) -> dict[str, Any]:
        """How much is written, after seeing to it that all of it is; for `rewind`."""
        if not self.active:
            return {}
        return {"rows": self._rows, "step": self._logged_step, "events": event_sizes(self.loggers)}

    def rewind(self, state: Mapping[str, Any]) -> None:
        """Forget what was written after a state (`{}`: all of it): the run goes on from there, and writes it again.

        To be called before the first `log`.
        """
        if not self.active:
            return
        cut_back(self.loggers, state.get("events", {}))
        wanted, self._logged_step = state.get("rows", 0), state.get("step", -1)
        rows = self._read()[:wanted]
        if len(rows) < wanted:
            lost = f"{self.path} is damaged: {wanted - len(rows)} of the {wanted} rows that the checkpoint saw are lost"
            print(f"warning: {lost}", file=sys.stderr)
        self._rows = len(rows)
        if self.columns:
            self._rewrite(rows)

    def _show(self, step: int, epoch: float, metrics: Mapping[str, float]) -> None:
        for watcher in self.watchers:
            watcher.on_row(step, epoch, metrics)

    def _write(self, row: Mapping[str, float]) -> None:
        new = [name for name in row if name not in self.columns]
        if new:  # the rows that are there are kept
            rows = self._read()
            self.columns += [name for name in new if name not in self.columns]
            self._rewrite(rows)
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns, restval="").writerow(row)
        self._rows += 1

    def _read(self) -> list[dict[str, str]]:
        """The rows that are there, and their columns; none where the file is no table of ours."""
        self.columns = []
        if not self.path.is_file():
            return []
        with self.path.open(newline="", encoding="utf-8", errors="replace") as file:
            reader = csv.DictReader(file)
            if list(reader.fieldnames or [])[: len(_FIXED)] != list(_FIXED):
                return []
            self.columns = list(reader.fieldnames or [])
            return list(reader)

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.path, text.getvalue())
