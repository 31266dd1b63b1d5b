"""Hydra callbacks for the end of a multirun: a line on what became of a grid's runs, or the report on all."""

import shlex
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from lightsweep.calling import called
from lightsweep.errors import LightsweepError, RunFolderError
from lightsweep.reporting.runs import Run, counted, find_runs
from lightsweep.screen import many


class GridEnd(Callback):
    """Says how many runs of a grid are in which state, and how they are compared; silent where something else does."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Say it."""
        targets = [str(node.get("_target_")) for node in config.hydra.callbacks.values()]
        reports = any(target.endswith(f".{ReportAfterMultirun.__name__}") for target in targets)
        if str(config.hydra.sweeper._target_).endswith(".BasicSweeper") and not reports:
            folder = Path(str(config.hydra.sweep.dir))
            with suppress(RunFolderError):  # no run in it
                print(grid_end(folder, find_runs([folder])))


def grid_end(folder: Path, runs: Sequence[Run]) -> str:
    """Such as `4 runs: 3 completed, 1 diverged; means and differences: python report.py outputs/grid`."""
    line = f"{many(len(runs), 'run')}: {counted(runs)}"
    if not any(run.completed for run in runs):
        return line
    return f"{line}; means and differences: {shlex.join([*called('report'), str(folder)])}"


class ReportAfterMultirun(Callback):
    """Writes the report into the multirun's folder, and prints its table."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Write it."""
        from lightsweep.cli.ending import leave
        from lightsweep.reporting.report import write_report

        try:
            done = write_report([Path(str(config.hydra.sweep.dir))])
            print(f"\n{done.summary}\n\nreport in {done.paths.page}")
        except LightsweepError as error:  # Hydra turns what a callback raises into a warning; so end the process here
            leave(str(error), error.exit_code)
        except Exception:
            traceback.print_exc()
            raise SystemExit(1) from None
