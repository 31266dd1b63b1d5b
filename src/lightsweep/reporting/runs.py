"""Run folders read back: finished, running, pruned, failed, and whatever a damaged one still tells."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml
from numpy.typing import NDArray

from lightsweep.config.dotted import dotted
from lightsweep.config.saved import read_result
from lightsweep.errors import RunFolderError
from lightsweep.holding import is_held
from lightsweep.paths import ReportPaths, RunPaths, SweepPaths
from lightsweep.reporting.history import columns
from lightsweep.screen import many
from lightsweep.statistics import is_finite

_Value = TypeVar("_Value")

AXES = ("epoch", "step", "seconds")
_DIRECTIONS = {"acc": "max", **dict.fromkeys(("loss", "seconds", "steps", "epochs", "parameters"), "min")}
_LARGEST_WHOLE = 2**53
"""Up to here a float holds every whole number."""

_NUMBERS = ("seconds", "epochs", "steps", "samples_per_second", "parameters", "monitored")
NO_RESULT = "it left no result.json, or has only begun"
STILL = "it runs still"


@dataclass(frozen=True)
class Run:
    """What a run's folder says.

    Args:
        folder: where it lies.
        kind: `trial` of a sweep, `rerun` of a sweep's best, or `run`.
        status: that of result.json; `failed` where there is none, `running` where it is only to come, `damaged` where
            it cannot be read, `killed` where it says `running` but no process holds the folder.
        reason: why it is not completed, one line; empty where it is.
        seed: None where it is not known.
        metrics: the finite numbers of result.json by name: `test/acc`, `val/loss`, …, and `seconds`, `steps`, ….
        monitor: the metric that picked the best checkpoint.
        settings: the resolved configuration by dotted keys, whole numbers as int; None where it cannot be read.
        choices: the choice of each config group, as Hydra noted it.
        hardware: device, and the versions that environment.json holds.
        directions: of each metric that the configuration added, as result.json says: `max`, `min` or None.
        loss: what its loss is, as result.json says.
    """

    folder: Path
    kind: str
    status: str
    reason: str = ""
    seed: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    monitor: str = ""
    settings: dict[str, Any] | None = None
    choices: dict[str, str] = field(default_factory=dict)
    hardware: dict[str, Any] = field(default_factory=dict)
    directions: dict[str, Any] = field(default_factory=dict)
    loss: str = ""

    def rises(self, metric: str) -> bool | None:
        """Whether more of a metric is better; None where nothing says it, as in runs of older versions."""
        found = {**_DIRECTIONS, **self.directions}.get(metric.partition("/")[2] or metric)
        return None if found is None else found == "max"

    @property
    def fold(self) -> tuple[int, int]:
        """The fold that it validated on, and of how many; (0, 0) outside cross-validation."""
        fold, num_folds = ((self.settings or {}).get(f"data.{key}") for key in ("fold", "num_folds"))
        return (fold, num_folds) if isinstance(fold, int) and isinstance(num_folds, int) and num_folds > 1 else (0, 0)

    @property
    def completed(self) -> bool:
        """Whether it ended as it should."""
        return self.status == "completed"

    @cached_property
    def columns(self) -> dict[str, NDArray[np.float64]]:
        """The columns of metrics.csv by name, each of shape [rows], with NaN where a row has no finite number."""
        return columns(RunPaths(self.folder).metrics)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes that it tells apart; empty for a regression, and where it does not note them."""
        names = read_mapping(RunPaths(self.folder).data).get("class_names")
        return tuple(map(str, names)) if isinstance(names, list) else ()

    def curve(self, metric: str, axis: str) -> NDArray[np.float64]:
        """A metric's values against `epoch`, `step` or `seconds`, in order, of shape [points, 2]; [0, 2] for none."""
        if metric not in self.columns or axis not in self.columns:
            return np.empty((0, 2))
        both = np.stack([self.columns[axis], self.columns[metric]], axis=1)
        return both[~np.isnan(both).any(axis=1)]


def find_runs(folders: Sequence[Path]) -> list[Run]:
    """All runs in and below some folders, each once, in the order of their paths.

    Raises:
        RunFolderError: a folder that is not there, or no run in any of them.
    """
    for folder in folders:
        if not folder.is_dir():
            raise RunFolderError(f"{folder} is no folder")
    found = {path.resolve(): path for folder in folders for path in _run_folders(folder)}
    if not found:
        raise RunFolderError(
            f"no run in {', '.join(str(folder) for folder in folders)}: a run's folder has a result.json"
        )
    return [read_run(path) for path in found.values()]


def counted(runs: Sequence[Run]) -> str:
    """How many runs are in which state, the most frequent first: `6 completed, 3 diverged`."""
    return ", ".join(f"{count} {status}" for status, count in Counter(run.status for run in runs).most_common())


def is_sweep(folder: Path) -> bool:
    """Whether a folder is a sweep's of the Optuna sweeper: it holds its study or its results, or at first its settings.

    A comparison's folder holds sweeps, and is none.
    """
    paths = SweepPaths(folder)
    if paths.trials.is_file() or paths.journal.is_file():
        return True
    try:
        ours = "_target_: hydra_plugins.lightsweep_optuna." in paths.multirun.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return ours and not any(folder.glob(f"*/{paths.multirun.name}"))


def read_run(folder: Path) -> Run:
    """A run's folder; what is missing or damaged becomes its status and reason."""
    paths, kind = RunPaths(folder), kind_of(folder)
    tree = read_mapping(paths.config)
    settings, choices = flat(tree) if tree else None, _choices(paths)
    hardware = read_mapping(paths.environment)
    seed = (settings or {}).get("seed")
    common: dict[str, Any] = {"settings": settings, "choices": choices, "hardware": hardware}
    if not paths.result.is_file():
        if is_held(paths.lock):
            return Run(folder, kind, "running", STILL, seed, **common)
        return Run(folder, kind, "failed", _error(folder) or NO_RESULT, seed, **common)
    try:
        result = read_result(paths)
    except RunFolderError as error:
        return Run(folder, kind, "damaged", str(error), seed, **common)
    status = result.get("status")
    if not isinstance(status, str) or not status:
        damage = f"{paths.result} is damaged: its `status` is {json.dumps(status)}"
        return Run(folder, kind, "damaged", damage, seed, **common)
    if status == "running" and _is_abandoned(paths):
        status = "killed"
    reason = "" if status == "completed" else _one_line(result.get("reason")) or _reason_of(status, result, paths)
    names = [name for name in result if "/" in name or name in _NUMBERS]
    metrics = {name: float(result[name]) for name in names if _is_number(result[name])}
    seed = result["seed"] if isinstance(result.get("seed"), int) else seed
    common["hardware"] = {"device": result.get("device"), **hardware}
    common["directions"] = _directions(result)
    common["loss"] = _one_line(result.get("loss"))
    return Run(folder, kind, status, reason, seed, metrics, str(result.get("monitor") or ""), **common)


def _run_folders(top: Path) -> Iterator[Path]:
    """Folders with a run's files; nothing is looked for inside a run, a report or a hidden folder."""
    for folder, names, files in os.walk(top):
        path = Path(folder)
        if _is_run(path, files):
            names.clear()
            yield path
        names[:] = sorted((n for n in names if not n.startswith(".") and n != ReportPaths.NAME), key=_by_number)


def _is_run(folder: Path, files: Sequence[str]) -> bool:
    paths = RunPaths(folder)
    if {paths.result.name, paths.config.name, paths.metrics.name} & set(files):
        return True
    return (paths.hydra / paths.config.name).is_file()


def _by_number(name: str) -> tuple[bool, int, str]:
    return (False, int(name), "") if name.isdecimal() else (True, 0, name)


def kind_of(folder: Path) -> str:
    """`trial` of a sweep, `rerun` of a sweep's best, or `run`, as the folders above tell."""
    folder = folder.resolve()
    if is_sweep(folder.parent):
        return "trial"
    above = folder.parents[1] if len(folder.parents) > 1 else folder
    return "rerun" if folder.parent == SweepPaths(above).reruns and is_sweep(above) else "run"


def flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration by dotted keys, each value in one spelling, in which all batches, 1.0, are not one."""
    return {
        key: str(value) if key.startswith("trainer.limit_") and isinstance(value, float) else _one_spelling(value)
        for key, value in dotted(tree)
    }


def _one_spelling(value: Any) -> Any:
    """The same for 1 and 1.0, in lists and mappings too: who wrote `lr=1` and who wrote `lr=1.0` mean one setting."""
    if isinstance(value, dict):
        return {key: _one_spelling(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_one_spelling(part) for part in value]
    whole = isinstance(value, float) and value.is_integer() and abs(value) <= _LARGEST_WHOLE
    return int(value) if whole else value


def _directions(result: dict[str, Any]) -> dict[str, Any]:
    said = result.get("directions")
    return {name: said[name] for name in said if said[name] in ("max", "min", None)} if isinstance(said, dict) else {}


def _choices(paths: RunPaths) -> dict[str, str]:
    """Hydra's own note of the groups' choices; without it nothing."""
    choices = branch(read_mapping(paths.hydra / "hydra.yaml"), "hydra", "runtime", "choices")
    return {str(k): str(v) for k, v in choices.items()}


def read_mapping(path: Path) -> dict[str, Any]:
    """A YAML or JSON file that may be missing or damaged, and is empty then: it only adds words to a report."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, ValueError, yaml.YAMLError):  # a ValueError also of a date that cannot be
        return {}
    return values if isinstance(values, dict) else {}


def branch(tree: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The mapping inside a mapping that keys lead to, one after the other; empty where there is none."""
    for key in keys:
        found = tree.get(key)
        tree = found if isinstance(found, dict) else {}
    return tree


def _error(folder: Path) -> str:
    """The last line of the traceback that a sweep kept."""
    try:
        lines = SweepPaths.error(folder).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""


def _is_abandoned(paths: RunPaths) -> bool:
    """Whether no process holds the folder of a run that goes on by its result; one that ended just now has another."""
    try:
        return is_held(paths.lock) is False and read_result(paths).get("status") == "running"
    except RunFolderError:
        return False


def _reason_of(status: str, result: dict[str, Any], paths: RunPaths) -> str:
    progress = f"{many(result.get('epochs') or 0, 'epoch')} done"
    if status == "running":
        return STILL if is_held(paths.lock) else f"{STILL}, or was killed: its folder cannot tell"
    if status == "killed":
        return "it ended without a word: it says that it runs, but no process of this machine holds its folder"
    return f"{status}, {progress}"


def _one_line(text: Any) -> str:
    return " ".join(str(text).split())[:500] if text else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and is_finite(value)
