"""Where every file lies: one class each for a run's folder, a sweep's and a report's; and the project's own.

Nothing else in the package spells a file name.
"""

import hashlib
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from lightsweep.errors import ConfigError, RunFolderError

PACKAGE = Path(__file__).resolve().parent


def home() -> Path:
    """The folder that holds `conf/` and `sweeps/`: the package in a wheel, the project's root in a checkout."""
    return PACKAGE if (PACKAGE / "conf").is_dir() else PACKAGE.parents[1]


def conf_dir() -> Path:
    """The folder of the Hydra groups."""
    return home() / "conf"


def template_dir() -> Path:
    """The files of a new project."""
    return PACKAGE / "template"


def project_folders() -> list[Path]:
    """Where a user's own `conf/` and `sweeps/` are looked for: the present folder, and that of the program started."""
    here = present_folder()
    program = Path(sys.argv[0] or ".").absolute().parent
    return [folder for folder in dict.fromkeys((here, program)) if folder != home()]


def present_folder() -> Path:
    """The folder in which the process works.

    Raises:
        RunFolderError: it was deleted.
    """
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise RunFolderError("the present folder is not there any more: change into one that is (cd)") from None


def choices(group: str) -> list[str]:
    """The names of a group's files, ours and the user's own, but of what others begin with or what holds nothing."""
    folders = [conf_dir(), *(folder / "conf" for folder in project_folders())]
    return sorted({file.stem for folder in folders for file in (folder / group).glob("*.yaml")} - {"none", "base"})


def given_path(value: Path | str, name: str) -> Path:
    """A path that Python code gave.

    Raises:
        ConfigError: it is none; `name` is that of the argument.
    """
    if isinstance(getattr(value, "folder", None), Path | str):  # what train() and sweep() give, of many lines
        raise ConfigError(f"`{name}` must be a path but got a {type(value).__name__}: give its `.folder`")
    if not isinstance(value, Path | str):
        raise ConfigError(f"`{name}` must be a path but got {value!r}")
    return Path(value)


def new_run() -> Path:
    """A folder for a run that was given none, named by the time; one that Hydra names says model and optimizer too."""
    return Path("outputs") / datetime.now().strftime("%Y-%m-%d/%H-%M-%S-%f")


def data_dir(root: str) -> Path:
    """The folder of the data: as it is named from the present folder; where there is none, within the project."""
    here, project = Path(root), home() / root
    is_code = project.is_relative_to(PACKAGE)  # an installed package's `data` holds modules
    return project if not here.is_dir() and project.is_dir() and not is_code else here


class _Inside:
    """A path inside the `folder` of the object whose class has it as an attribute."""

    def __init__(self, place: str) -> None:
        self.place = place

    def __get__(self, paths: Any, kind: type) -> Path:
        return paths.folder / self.place


@dataclass(frozen=True)
class RunPaths:
    """File names inside one run's folder."""

    folder: Path

    result = _Inside("result.json")
    """`result.json`: the final metrics and the status."""
    environment = _Inside("environment.json")
    """`environment.json`: git commit, package versions, hardware."""
    metrics = _Inside("metrics.csv")
    """`metrics.csv`: one row for each logging point."""
    hydra = _Inside(".hydra")
    """Hydra's own folder: config.yaml (as composed), overrides.yaml, hydra.yaml."""
    overrides = _Inside(".hydra/overrides.yaml")
    """The overrides with which the run was composed, a YAML list."""
    config = _Inside("config.yaml")
    """`config.yaml`: the configuration with every interpolation resolved."""
    data = _Inside("data.json")
    """`data.json`: what the model must know of its data."""
    logger_runs = _Inside("loggers.json")
    """`loggers.json`: the runs of their own that W&B's and MLflow's loggers have begun."""
    predictions = _Inside("predictions")
    """The folder of predictions on image files: a table and a contact sheet."""
    exports = _Inside("exports")
    """The folder of the exported networks."""
    checkpoints = _Inside("checkpoints")
    """The folder of the checkpoints."""
    best = _Inside("checkpoints/best.ckpt")
    """The checkpoint with the best monitored value."""
    last = _Inside("checkpoints/last.ckpt")
    """The newest checkpoint."""
    previous = _Inside("checkpoints/previous.ckpt")
    """The checkpoint before the newest, for when that one is damaged."""
    next = _Inside("checkpoints/next.ckpt")
    """A checkpoint that is about to become the newest."""
    log = _Inside("run.log")
    """What a sweep's trial would have printed."""
    lock = _Inside(".lock")
    """Held by the process that writes into the folder."""
    tensorboard = _Inside("tensorboard")
    """The folder of the TensorBoard events."""
    closing_events = _Inside("tensorboard/events.out.tfevents.end")
    """The events written when the run has ended; the name comes after those of the events before, in any order."""
    session = _Inside("tensorboard/hparams/events.out.tfevents.session")
    """The run's entry in TensorBoard's HParams tab."""

    def checkpoint(self, name: str) -> Path:
        """The checkpoint that a user calls `best` or `last`.

        Raises:
            ConfigError: another name.
        """
        if name not in ("best", "last"):
            raise ConfigError(f"`checkpoint` must be best or last but got {name!r}")
        return self.best if name == "best" else self.last

    def rank_error(self, rank: int) -> Path:
        """Why one of several processes ended, for the first of them."""
        return self.folder / f"rank{rank}.error"

    @staticmethod
    def not_carried(folder: str, names: list[str]) -> set[str]:
        """The files of a killed trial's folder that the trial that goes on has of its own; for `shutil.copytree`.

        Its newest checkpoint is among them, which is copied by itself.
        """
        run = RunPaths(Path(folder))
        own = (run.hydra, run.config, run.environment, run.result, run.log, run.lock, run.last, run.next)
        return {path.name for path in own} & set(names)


@dataclass(frozen=True)
class PredictionPaths:
    """File names inside a folder of predictions."""

    folder: Path

    sheet = _Inside("sheet.png")
    """The contact sheet of images."""
    table = _Inside("predictions.csv")
    """`predictions.csv`: file, row (of a CSV file), label and probability or value."""


@dataclass(frozen=True)
class SweepPaths:
    """File names inside one sweep's folder."""

    folder: Path

    journal = _Inside("study.journal")
    """The study's journal, when no storage is named."""
    study_copy = _Inside("study_copy.journal")
    """What a study in another storage was when the sweep ended, as a journal to be read."""
    best = _Inside("best.yaml")
    """`best.yaml`: the winner as an experiment file."""
    trials = _Inside("trials.csv")
    """`trials.csv`: one row a trial."""
    results = _Inside("optimization_results.yaml")
    """`optimization_results.yaml`, as the official sweeper writes it."""
    rerun_settings = _Inside("rerun.csv")
    """`rerun.csv`: one row for each setting that was run again, with mean and interval."""
    rerun_runs = _Inside("rerun_runs.csv")
    """`rerun_runs.csv`: one row for each re-run."""
    reruns = _Inside("rerun")
    """The folder of the re-runs."""
    tensorboard = _Inside("tensorboard")
    """The folder of the TensorBoard events that are about all runs: means over seeds."""
    claims = _Inside("study.claims")
    """The lock on which jobs take turns to claim a trial, when the storage is no file."""
    multirun = _Inside("multirun.yaml")
    """`multirun.yaml`: the sweep's configuration, as Hydra's own sweeper writes it."""

    def rerun(self, trial: int, seed: int) -> Path:
        """The folder of a re-run of a trial's settings."""
        return self.reruns / f"{trial}-{seed}"

    def seed_events(self, setting: str) -> Path:
        """The means over the seeds of a setting; `setting` becomes a folder's name, which TensorBoard shows."""
        return self.tensorboard / setting / "events.out.tfevents.seeds"

    @staticmethod
    def error(trial_folder: Path) -> Path:
        """`error.txt` in a failed trial's folder: the traceback."""
        return trial_folder / "error.txt"


@dataclass(frozen=True)
class SubmissionPaths:
    """File names inside the folder of one sweep's SLURM jobs; all nodes must see it."""

    folder: Path

    jobs = _Inside("%j")
    """Where submitit writes scripts, answers and logs, named by the job's id."""

    def function(self, content: bytes) -> Path:
        """What the jobs have in common, pickled; named by its content."""
        return self.folder / f"function-{hashlib.sha256(content).hexdigest()[:16]}.pkl"


@dataclass(frozen=True)
class ReportPaths:
    """File names inside a report's folder."""

    NAME: ClassVar = "report"
    folder: Path

    page = _Inside("report.html")
    """`report.html`: the whole report in one file."""
    markdown = _Inside("report.md")
    """`report.md`: the tables."""
    settings = _Inside("settings.csv")
    """`settings.csv`: one row a setting, with mean, interval and n of each metric."""
    differences = _Inside("differences.csv")
    """`differences.csv`: one row for each metric and pair of settings that share two seeds or more."""
    runs = _Inside("runs.csv")
    """`runs.csv`: one row a run."""

    def figure(self, name: str) -> Path:
        """A figure as PNG."""
        return self.folder / "figures" / f"{name}.png"
