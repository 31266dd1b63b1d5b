"""What TensorBoard shows of all runs of a multirun or a sweep together: each setting's mean over its seeds.

Computed when the runs have ended, from their `metrics.csv`; a setting is what a configuration holds besides its seed.
"""

import csv
import json
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from lightsweep.errors import RunFolderError
from lightsweep.paths import RunPaths, SweepPaths
from lightsweep.statistics import Estimate

_NOT_AVERAGED = ("step", "epoch", "seconds", "lr", "momentum")


class MultirunBoard(Callback):
    """The Hydra callback that writes the board when a multirun or a sweep has ended."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Write it."""
        write_board(Path(str(config.hydra.sweep.dir)))


@dataclass(frozen=True)
class Run:
    """One run that kept TensorBoard's events.

    Attributes:
        paths: its folder.
        cfg: its configuration.
        settings: its settings, without the seed.
        result: what its `result.json` holds.
    """

    paths: RunPaths
    cfg: DictConfig
    settings: Mapping[str, Any]
    result: Mapping[str, Any]


def write_board(folder: Path) -> None:
    """Write the means over seeds of the runs below a folder, and register runs that were killed; replaces the last.

    A mean needs two seeds at least. It is over the runs that completed, and over the steps that all of them have. Runs
    in different folders are kept apart: a sweep's trials were picked for their luck, its re-runs were not.
    """
    runs = runs_below(folder)
    for run in runs:
        _register_killed(run)
    paths = SweepPaths(folder)
    shutil.rmtree(paths.tensorboard, ignore_errors=True)
    groups: dict[str, list[Run]] = {}
    for run in runs:
        key = json.dumps([str(run.paths.folder.parent), run.settings], sort_keys=True)
        groups.setdefault(key, []).append(run)
    repeated = [group for group in groups.values() if len({run.cfg.seed for run in group}) > 1]
    every = [run.settings for run in runs]
    for group, words in zip(repeated, labels([group[0].settings for group in repeated], every), strict=True):
        _write_means(paths, group, words)


def runs_below(folder: Path) -> list[Run]:
    """The runs below a folder that kept TensorBoard's events, by the names of their folders.

    A folder without a readable configuration or result is no run, or one that never began; it has no curves to show.
    """
    from lightsweep.config.saved import read_config, read_result
    from lightsweep.reporting.tensorboard.hparams import settings_of

    found = []
    for path in sorted(folder.rglob(RunPaths(folder).tensorboard.name)):
        paths = RunPaths(path.parent)
        try:
            cfg, result = read_config(paths), read_result(paths)
        except RunFolderError:
            continue
        found.append(Run(paths, cfg, settings_of(cfg), result))
    return found


def labels(settings: Sequence[Mapping[str, Any]], among: Sequence[Mapping[str, Any]]) -> list[str]:
    """For each setting what tells it from others, as `optimizer=SGD lr=0.1`: a folder's name, and unique."""
    keys = [key for key in dict.fromkeys(key for one in among for key in one) if _differs(key, among)]
    lasts = Counter(key.rpartition(".")[2] for key in keys)
    shown = {key: key if lasts[key.rpartition(".")[2]] > 1 else key.rpartition(".")[2] for key in keys}
    words = [" ".join(f"{shown[key]}={_plain(one[key])}" for key in keys if key in one) for one in settings]
    words = [re.sub(r"[^\w.,=+ \[\]-]", "_", text)[:120].strip() or "one setting" for text in words]
    return [text if words.count(text) == 1 else f"{text} ({place})" for place, text in enumerate(words, 1)]


def means(tables: Sequence[Sequence[Mapping[str, str]]]) -> dict[str, list[tuple[int, float, float, float]]]:
    """Step, mean, lower and upper end of the mean's 95 % interval (Student's t), for each metric of several runs.

    Args:
        tables: the rows of each run's `metrics.csv`.
    """
    columns = dict.fromkeys(name for table in tables for row in table for name in row if name not in _NOT_AVERAGED)
    found = {}
    for name in columns:
        curves = [{int(row["step"]): float(row[name]) for row in table if row.get(name)} for table in tables]
        points = []
        for step in sorted(set.intersection(*(set(curve) for curve in curves))):
            estimate = Estimate.of([curve[step] for curve in curves])
            assert estimate.mean is not None
            half = estimate.half_width or 0.0
            points.append((step, estimate.mean, estimate.mean - half, estimate.mean + half))
        if points:
            found[name] = points
    return found


def _write_means(paths: SweepPaths, group: Sequence[Run], words: str) -> None:
    from lightsweep.reporting.tensorboard.events import markdown, scalars, write_events
    from lightsweep.reporting.tensorboard.layout import LOWER, MEAN, UPPER, seeds_layout

    done = [run for run in group if run.result["status"] == "completed" and run.paths.metrics.is_file()]
    if len(done) < 2:
        return
    found = means([_rows(run.paths.metrics) for run in done])
    summaries = [(0, [seeds_layout(list(found)), markdown("seeds", _about(group, done))])]
    for name, points in found.items():
        for step, mean, lower, upper in points:
            summaries.append((step, scalars({MEAN + name: mean, LOWER + name: lower, UPPER + name: upper})))
    write_events(paths.seed_events(f"{words}, {len(done)} seeds"), summaries)


def _about(group: Sequence[Run], done: Sequence[Run]) -> str:
    lines = [f"Means over {len(done)} runs, seeds {', '.join(str(run.cfg.seed) for run in done)}"]
    lines += [
        f"- left out: seed {run.cfg.seed}, {run.result['status']}: {run.result.get('reason') or 'no reason known'}"
        for run in group
        if run not in done
    ]
    return "\n".join(lines)


def _register_killed(run: Run) -> None:
    """A run that was killed could not enter itself in the HParams tab; one that still goes on is left alone."""
    if run.result["status"] != "running" or run.paths.session.is_file():
        return
    try:
        with FileLock(run.paths.lock, timeout=0):
            from lightsweep.reporting.tensorboard.hparams import write_session

            write_session(run.paths, run.cfg, {**run.result, "status": "killed"}, None)
    except Timeout:
        return


def _rows(metrics: Path) -> list[dict[str, str]]:
    with metrics.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _differs(key: str, settings: Sequence[Mapping[str, Any]]) -> bool:
    return len({json.dumps(one.get(key)) for one in settings}) > 1


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
