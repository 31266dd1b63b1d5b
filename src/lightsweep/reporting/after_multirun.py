"""A Hydra callback that ends a multirun with the report on it: `hydra.callbacks.report` in a configuration."""

import traceback
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from lightsweep.errors import LightsweepError


class ReportAfterMultirun(Callback):
    """Writes the report into the multirun's folder, and prints its table."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Say now, and not after hours, that a report could not be written."""
        from lightsweep.cli.reporting import check_installed

        _ended_by_error(check_installed)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Write it."""
        from lightsweep.reporting.report import write_report

        def write() -> None:
            done = write_report([Path(str(config.hydra.sweep.dir))])
            print(f"\n{done.summary}\n\nreport in {done.paths.page}")

        _ended_by_error(write)


def _ended_by_error(act: Any) -> None:
    """Hydra turns what a callback raises into a warning; so end the process here, as the command would."""
    from lightsweep.cli.ending import leave

    try:
        act()
    except LightsweepError as error:
        leave(str(error), error.exit_code)
    except Exception:
        traceback.print_exc()
        raise SystemExit(1) from None
