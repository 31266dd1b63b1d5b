"""What TensorBoard shows of all runs of a multirun or a sweep together: each setting's mean over its seeds or folds.

Computed when the runs have ended, from their `metrics.csv`; settings are those that the report tells apart.
"""

import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from lightsweep.errors import RunFolderError
from lightsweep.files import storage_error
from lightsweep.paths import RunPaths, SweepPaths
from lightsweep.reporting.grouping import Group, distinct, group_runs, repeated_by
from lightsweep.reporting.repetitions import told
from lightsweep.reporting.runs import AXES, Run, find_runs
from lightsweep.screen import many

_NOT_AVERAGED = {*AXES, "lr", "momentum"}


class MultirunBoard(Callback):
    """The Hydra callback that writes the board when a multirun or a sweep has ended."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Write it; where the disk is full the runs have told of it, or the sweep."""
        folder = Path(str(config.hydra.sweep.dir))
        try:
            write_board(folder)
        except OSError as error:
            if storage_error(error, folder.absolute()) is None:
                raise
            print(f"warning: {SweepPaths(folder).tensorboard} is not written: {error.strerror}", file=sys.stderr)


def write_board(folder: Path) -> None:
    """Write the means over seeds or folds of the runs below a folder, in the last ones' place; register killed runs.

    A mean needs two of them at least. It is over the runs that completed, and over the steps that all of them reach. A
    sweep's trials are kept apart from its re-runs: those were picked for their luck, these were not.
    """
    try:
        runs = [run for run in find_runs([folder]) if RunPaths(run.folder).tensorboard.is_dir()]
    except RunFolderError:  # no run in it
        runs = []
    for run in runs:
        _register_killed(run)
    paths = SweepPaths(folder)
    shutil.rmtree(paths.tensorboard, ignore_errors=True)
    repeated = [group for group in group_runs(runs, trials=True) if len(group.repetitions) > 1]
    for group, name in zip(repeated, folder_names([group.name for group in repeated]), strict=True):
        _write_means(paths, group, name)


def folder_names(names: Sequence[str]) -> list[str]:
    """Names of settings, as `sgd lr=0.1`, for folders: without characters that mean something there, and unique."""
    return distinct([re.sub(r"[^\w.,=+ \[\]-]", "_", name)[:120].strip() for name in names])


def _write_means(paths: SweepPaths, group: Group, name: str) -> None:
    from lightsweep.reporting.curves import mean_curve
    from lightsweep.reporting.tensorboard.events import markdown, scalars, write_events
    from lightsweep.reporting.tensorboard.layout import LOWER, MEAN, UPPER, seeds_layout

    columns = dict.fromkeys(column for run in group.completed for column in run.columns)
    found = {metric: mean_curve(group.completed, metric, "step") for metric in columns if metric not in _NOT_AVERAGED}
    curves = {metric: curve for metric, curve in found.items() if curve is not None and curve.half_width is not None}
    if not curves:
        return
    summaries = [(0, [seeds_layout(list(curves)), markdown("seeds", _about(group))])]
    for metric, curve in curves.items():
        assert curve.half_width is not None
        for step, mean, half in zip(curve.x, curve.mean, curve.half_width, strict=True):
            values = {MEAN + metric: mean, LOWER + metric: mean - half, UPPER + metric: mean + half}
            summaries.append((int(step), scalars(values)))
    write_events(paths.seed_events(f"{name}, {_count(group)}"), summaries)


def _about(group: Group) -> str:
    done = dict.fromkeys(told(run) for run in group.completed)
    lines = [f"Means over {_count(group)}: {', '.join(done)}"]
    lines += [f"- left out: seed {told(run)}, {run.status}: {run.reason}" for run in group.runs if not run.completed]
    return "\n".join(lines)


def _count(group: Group) -> str:
    """`5 seeds`, or folds, or runs of both."""
    return many(len(group.repetitions), repeated_by([group]))


def _register_killed(run: Run) -> None:
    """A run that was killed could not enter itself in the HParams tab; one that still goes on is left alone."""
    paths = RunPaths(run.folder)
    if run.status != "killed" or paths.session.is_file():
        return
    from lightsweep.config.saved import read_config, read_result
    from lightsweep.reporting.tensorboard.hparams import write_session

    try:
        seconds = run.curve("seconds", "seconds")[-1:, 1].tolist()  # its result.json is of its start
        ended = {**read_result(paths), "status": run.status, "seconds": seconds[0] if seconds else None}
        write_session(paths, read_config(paths), ended, None)
    except RunFolderError:
        return
