"""The package from Python: what `python train.py` does, for notebooks and other programs, with typed results."""

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import RunMode
from hydra.version import setbase
from lightning.pytorch import Callback
from omegaconf import DictConfig, OmegaConf

from lightsweep import paths, training
from lightsweep.cli.grid import resuming_words
from lightsweep.cli.training import run as run_task
from lightsweep.config.command_words import command_words, first_of_hydra
from lightsweep.config.compose import HYDRA, compose
from lightsweep.config.explanation import COMPOSITION_ERRORS, explain
from lightsweep.config.hydra_patches import prepare_hydra
from lightsweep.config.override_text import override_text, texts
from lightsweep.config.saved import damage_told
from lightsweep.errors import ConfigError, Interrupted, RunFolderError, signal_of
from lightsweep.imports import quiet_imports
from lightsweep.process_state import alone, environment_kept, logging_kept, messages_kept
from lightsweep.reporting.comparing import Difference, differences, metrics_of
from lightsweep.reporting.grouping import group_runs
from lightsweep.reporting.losses import ranking
from lightsweep.reporting.runs import find_runs, read_run
from lightsweep.statistics import Estimate
from lightsweep.sweeping.trial import within_sweep
from lightsweep.training import Result, evaluate
from lightsweep.training.clock import Clock

__all__ = ["Comparison", "Difference", "Estimate", "Result", "Sweep", "Trial", "compare", "evaluate", "sweep", "train"]

_LIGHTNINGS = ("PL_GLOBAL_SEED", "PL_SEED_WORKERS", "CUBLAS_WORKSPACE_CONFIG")
"""Environment variables that Lightning leaves behind; a caller's `seed_everything()` would take its seed from them."""


def train(
    cfg: DictConfig | Sequence[str] = (),
    folder: Path | str | None = None,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Result:
    """Train, pick the best checkpoint, test it, and write everything into a folder.

    Args:
        cfg: what `compose` gives, or overrides for it, such as `["model=mlp", "optimizer.lr=0.1"]`, but none of what is
            Hydra's own: `folder` stands for `hydra.run.dir`, and a search (`sweeps=…`) is for `sweep`.
        folder: the run's folder; None for a new one under `outputs/`, named by the time.
        resume: go on from the newest checkpoint of the run in the folder; from the start if it has none yet.
        callbacks: further Lightning callbacks; not those that `docs/extending.md` says a run cannot serve.

    Raises:
        ConfigError, DataError, RunFolderError: before training starts; so where another thread trains.
        RunStopped: Diverged, Interrupted and their kin, with `result.json` written.
    """
    clock = Clock()
    with alone(), environment_kept(*_LIGHTNINGS):
        place = _folder_of(folder, resume)
        configuration = cfg if isinstance(cfg, DictConfig) else _composed(cfg)
        return training.train(configuration, place, resume, callbacks, clock)


def _folder_of(folder: Path | str | None, resume: bool) -> Path:
    if folder is None and not resume:
        return paths.new_run()
    if folder is None:
        raise RunFolderError("`resume` needs `folder`, that of the run which is to go on")
    if not isinstance(folder, Path | str) or not str(folder):
        raise ConfigError(f"`folder` must be a path, or None for a new one under outputs/, but got {folder!r}")
    run = paths.RunPaths(Path(folder))
    if resume and not run.config.is_file():
        raise RunFolderError(f"{run.folder} is no run folder: it has no {run.config.name}")
    return run.folder


def _composed(overrides: Sequence[str]) -> DictConfig:
    idle = first_of_hydra(texts(overrides))
    if idle == "sweeps":
        raise ConfigError("`sweeps` chooses a search, which train() does not make: give it to sweep()")
    if idle is not None:
        raise ConfigError(
            f"`{idle}` has no effect on train(), which has `folder` for the run's folder; sweep() heeds it"
        )
    return compose(overrides)


@dataclass(frozen=True)
class Trial:
    """One trial of a search, or one run of a grid.

    Attributes:
        number: its place in the order of starting.
        status: `completed`, `pruned`, `failed`, … (`trials.csv` calls the first `complete`); a grid's run may be
            `killed` too, and `running` where it has only begun.
        values: what it reached: one number, or one for each direction; empty where it reached none.
        parameters: its settings by key; of a grid's run, those that differ within the grid.
        duration_s: wall time; None where it is not known.
        reason: why it did not complete, one line; empty where it did.
        folder: its run folder; of a trial that another sweep on the same study made, where that recorded it.
    """

    number: int
    status: str
    values: tuple[float, ...]
    parameters: Mapping[str, Any]
    duration_s: float | None
    reason: str
    folder: Path


@dataclass(frozen=True)
class Sweep:
    """What a search, a grid or a comparison came to, read from its folder.

    Attributes:
        folder: the sweep's folder.
        trials: by number; none of a comparison's own.
        best_parameters: the winner's settings; empty where nothing completed, and for grids, which rank nothing.
        best_value: what it reached; None likewise, and where there are several directions.
        choices: of a comparison (`hydra.sweeper.compare`) the search for each choice, by the name of its folder; empty
            for all else. `compare` of the folder tells how the choices' re-runs differ.
    """

    folder: Path
    trials: tuple[Trial, ...]
    best_parameters: Mapping[str, Any] = field(default_factory=dict)
    best_value: float | None = None
    choices: Mapping[str, "Sweep"] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path | str) -> "Sweep":
        """A sweep's folder, finished or not; a comparison's choices are those that have begun.

        Raises:
            RunFolderError: it holds neither trials nor runs, or a file of them is damaged.
        """
        found = paths.SweepPaths(paths.given_path(folder, "folder"))
        if not found.trials.is_file():
            if _is_comparison(found):
                begun = sorted(path.parent for path in found.folder.glob(f"*/{found.trials.name}"))
                return cls(found.folder, (), choices={path.name: cls.read(path) for path in begun})
            return cls(found.folder, tuple(_grid(found.folder)))
        trials, best, value = tuple(_trials(found)), {}, None
        if found.results.is_file():
            with damage_told(found.results):
                results: Any = OmegaConf.to_container(OmegaConf.load(found.results))
                best, value = results.get("best_params", {}), results.get("best_value")
        return cls(found.folder, trials, best, value)


@dataclass(frozen=True)
class Comparison:
    """How the settings of some runs compare in one metric, as a report says it.

    Attributes:
        metric: its name.
        estimates: the metric's mean over the seeds with its 95 % interval, by the setting's name, `adam lr=0.01`.
        differences: of all pairs of settings that share two seeds or more, over the seeds that both have.
    """

    metric: str
    estimates: Mapping[str, Estimate]
    differences: tuple[Difference, ...]


def compare(folders: Path | str | Sequence[Path | str], metric: str | None = None) -> Comparison:
    """Compare the settings of finished runs; those that share all but the seed are one setting.

    Trials of a search are left out: each was run once, and the best of them is best partly by luck.

    Args:
        folders: runs, grids, searches, or folders of them.
        metric: None for `test/acc`, or where it is missing the first of `test/loss`, `val/acc`, `val/loss`, …, and
            in the place of losses of different kinds another.

    Raises:
        RunFolderError: a folder that is not there, or no run to compare in them.
        ConfigError: what is no path, or a metric that no completed run has.
    """
    given = list(folders) if isinstance(folders, Iterable) and not isinstance(folders, str) else [folders]
    if not given:
        raise ConfigError("`folders` must name a folder of runs but is empty")
    groups = group_runs(find_runs([paths.given_path(folder, "folders") for folder in given]))
    known = metrics_of([run for group in groups for run in group.completed])
    if not known:
        raise RunFolderError(f"no completed run to compare in {', '.join(map(str, given))}")
    chosen = metric if metric is not None else ranking(groups, known)
    if chosen not in known:
        raise ConfigError(f"`metric` must be one of {', '.join(known)} but got {chosen!r}")
    estimates = {group.name: group.estimate(chosen) for group in groups if group.by_repetition(chosen)}
    return Comparison(chosen, estimates, tuple(differences(groups, chosen)))


def sweep(overrides: Sequence[str]) -> Sweep:
    """What `python train.py -m <overrides>` does: a search, a grid of all combinations, or a comparison of searches.

    Args:
        overrides: as on the command line, such as `["sweeps=lr_momentum", "model=mlp"]`,
            `["optimizer=sgd,adam", "seed=0,1,2"]` or `["experiment=optimizer_comparison"]`.

    Raises:
        ConfigError: an override that does not fit, before any trial; or another thread trains.
        RunFolderError: the folder of `resume=<folder>`, by which a stopped sweep goes on, is no sweep's.
        SweepFailed: more trials failed than the sweep allows.
        Interrupted: a signal came; the message says how to go on.
    """
    given = command_words(resuming_words(texts(overrides)))
    with alone(), messages_kept("matplotlib"), _hydra() as hydra:
        quiet_imports()
        cfg = hydra.compose_config("train", given, RunMode.MULTIRUN, with_log_configuration=False)
        folder = Path(str(cfg.hydra.sweep.dir)).absolute()
        try:
            hydra.multirun("train", _run, [*given, f"hydra.sweep.dir={override_text(str(folder))}"])
        except (KeyboardInterrupt, SystemExit) as end:
            number = signal_of(end)
            if number is None:
                raise
            stopped = Interrupted(number)
            stopped.hint = f"; to go on: the same call with 'resume={folder}'"
            raise stopped from None
    return Sweep.read(folder)


def _run(cfg: DictConfig) -> Any:
    """One run; a signal ends all runs of a grid, where Hydra would keep an exception for later and start the next."""
    try:
        return run_task(cfg)
    except Interrupted as error:
        if within_sweep():  # which ends, and says how it goes on
            raise
        raise SystemExit(error.exit_code) from None


@contextmanager
def _hydra() -> Iterator[Hydra]:
    """Hydra on lightsweep's groups, with its errors in one line; what it sets for the whole process is put back."""
    with HYDRA.of_this_process(), environment_kept("HYDRA_FULL_ERROR", *_LIGHTNINGS), logging_kept():
        os.environ["HYDRA_FULL_ERROR"] = "1"  # the sweeper then raises, where it would end the process
        setbase("1.3")
        prepare_hydra()
        GlobalHydra.instance().clear()
        outer = HydraConfig.instance().cfg
        try:
            yield Hydra.create_main_hydra2("train", create_config_search_path(f"file://{paths.conf_dir()}"))
        except COMPOSITION_ERRORS as error:
            raise ConfigError(explain(error)) from error
        finally:
            HydraConfig.instance().cfg = outer
            GlobalHydra.instance().clear()


def _is_comparison(found: paths.SweepPaths) -> bool:
    if not found.multirun.is_file():
        return False
    with damage_told(found.multirun):  # plain YAML: an interpolation could ask for this machine's environment
        return yaml.safe_load(found.multirun.read_text(encoding="utf-8"))["hydra"]["sweeper"].get("compare") is not None


def _trials(found: paths.SweepPaths) -> Iterator[Trial]:
    with damage_told(found.trials), found.trials.open(newline="", encoding="utf-8") as file:
        rows = [_facts(row) for row in csv.DictReader(file)]
    folders = {row["number"]: found.folder / str(row["number"]) for row in rows}
    if not all(folder.is_dir() for folder in folders.values()):
        folders |= _recorded_folders(found.folder)
    for row in rows:
        yield Trial(**row, folder=folders[row["number"]])


def _facts(row: dict[str, str]) -> dict[str, Any]:
    """What a row of `trials.csv` tells of a trial."""
    names, state, duration = list(row), row["state"], row["duration_s"]
    last = names.index("duration_s")  # behind number, state and the values, and before the reason
    own, drawn = names[: last + 2], names[last + 2 :]
    keys = {name: plain if (plain := name.removeprefix("params.")) in own else name for name in drawn}
    return {
        "number": int(row["number"]),
        "status": "completed" if state == "complete" else state,  # as of runs
        "values": tuple(float(row[name]) for name in own[2:last] if row[name]),
        "parameters": {keys[name]: _value(row[name]) for name in drawn if row[name]},
        "duration_s": float(duration) if duration else None,
        "reason": row["reason"],
    }


def _recorded_folders(sweep: Path) -> dict[int, Path]:
    """Where the study says that its trials ran: by another `hydra.sweep.subdir`, or in another sweep's folder."""
    from lightsweep.reporting.saved_study import open_saved_study
    from lightsweep.sweeping import marks
    from lightsweep.sweeping.folder import trial_folder_within

    try:
        trials = open_saved_study(sweep).get_trials(deepcopy=False)
    except RunFolderError:  # trials.csv is all there is
        return {}
    recorded = {trial.number: Path(path) for trial in trials if (path := trial.user_attrs.get(marks.FOLDER))}
    return {number: trial_folder_within(sweep, path) or path for number, path in recorded.items()}


def _grid(folder: Path) -> Iterator[Trial]:
    """The runs of a grid, which has no table of its own; their parameters are the overrides that differ."""
    found = folder.iterdir() if folder.is_dir() else ()
    runs = [path for path in found if path.name.isdigit() and paths.RunPaths(path).overrides.is_file()]
    if not runs:
        raise RunFolderError(f"{folder} is no sweep's folder: it holds neither trials nor runs")
    runs.sort(key=lambda path: int(path.name))
    given = [_overrides(paths.RunPaths(path).overrides) for path in runs]
    common = given[0].intersection(*given)
    for path, lines in zip(runs, given, strict=True):
        run = read_run(path)
        begun = not (paths.RunPaths(path).result.is_file() or paths.SweepPaths.error(path).is_file())
        pairs = (line.lstrip("+").partition("=") for line in sorted(lines - common))
        monitored = run.metrics.get("monitored")
        yield Trial(
            int(path.name),
            "running" if begun else run.status,
            () if monitored is None else (monitored,),
            {key: _value(text) for key, _, text in pairs},
            run.metrics.get("seconds"),
            "" if begun else run.reason,
            path,
        )


def _overrides(path: Path) -> set[str]:
    with damage_told(path):
        return set(map(str, yaml.safe_load(path.read_text(encoding="utf-8"))))


def _value(text: str) -> Any:
    """What Hydra takes a setting's text for: unlike YAML's own rules, `1e-05` is a number and `on` a word."""
    try:
        override = OverridesParser.create().parse_override(f"key={text}")
    except HydraException:
        return text
    return text if override.is_sweep_override() else override.value()
