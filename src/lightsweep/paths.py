"""Where every file lies: one class each for a run's folder, a sweep's and a report's; and the project's own.

Nothing else in the package spells a file name.
"""

import hashlib
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from lightsweep.errors import ConfigError

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
    program = Path(sys.argv[0] or ".").absolute().parent
    return [folder for folder in dict.fromkeys((Path.cwd(), program)) if folder != home()]


def choices(group: str) -> list[str]:
    """The names of a group's files, ours and the user's own, but of what others begin with or what holds nothing."""
    folders = [conf_dir(), *(folder / "conf" for folder in project_folders())]
    return sorted({file.stem for folder in folders for file in (folder / group).glob("*.yaml")} - {"none", "base"})


def new_run() -> Path:
    """A folder for a run that was given none, named by the time; one that Hydra names says model and optimizer too."""
    return Path("outputs") / datetime.now().strftime("%Y-%m-%d/%H-%M-%S-%f")


def data_dir(root: str) -> Path:
    """The folder of the data: as it is named from the present folder; where there is none, within the project."""
    here, project = Path(root), home() / root
    is_code = project.is_relative_to(PACKAGE)  # an installed package's `data` holds modules
    return project if not here.is_dir() and project.is_dir() and not is_code else here


@dataclass(frozen=True)
class RunPaths:
    """File names inside one run's folder."""

    folder: Path

    @property
    def result(self) -> Path:
        """`result.json`: the final metrics and the status."""
        return self.folder / "result.json"

    @property
    def environment(self) -> Path:
        """`environment.json`: git commit, package versions, hardware."""
        return self.folder / "environment.json"

    @property
    def metrics(self) -> Path:
        """`metrics.csv`: one row for each logging point."""
        return self.folder / "metrics.csv"

    @property
    def hydra(self) -> Path:
        """Hydra's own folder: config.yaml (as composed), overrides.yaml, hydra.yaml."""
        return self.folder / ".hydra"

    @property
    def overrides(self) -> Path:
        """The overrides with which the run was composed, a YAML list."""
        return self.hydra / "overrides.yaml"

    @property
    def config(self) -> Path:
        """`config.yaml`: the configuration with every interpolation resolved."""
        return self.folder / "config.yaml"

    @property
    def data(self) -> Path:
        """`data.json`: what the model must know of its data."""
        return self.folder / "data.json"

    @property
    def logger_runs(self) -> Path:
        """`loggers.json`: the runs of their own that W&B's and MLflow's loggers have begun."""
        return self.folder / "loggers.json"

    @property
    def predictions(self) -> Path:
        """The folder of predictions on image files: a table and a contact sheet."""
        return self.folder / "predictions"

    @property
    def exports(self) -> Path:
        """The folder of the exported networks."""
        return self.folder / "exports"

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.folder / "checkpoints"

    @property
    def best(self) -> Path:
        """The checkpoint with the best monitored value."""
        return self.checkpoints / "best.ckpt"

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.checkpoints / "last.ckpt"

    def checkpoint(self, name: str) -> Path:
        """The checkpoint that a user calls `best` or `last`.

        Raises:
            ConfigError: another name.
        """
        if name not in ("best", "last"):
            raise ConfigError(f"`checkpoint` must be best or last but got {name!r}")
        return self.best if name == "best" else self.last

    @property
    def previous(self) -> Path:
        """The checkpoint before the newest, for when that one is damaged."""
        return self.checkpoints / "previous.ckpt"

    @property
    def next(self) -> Path:
        """A checkpoint that is about to become the newest."""
        return self.checkpoints / "next.ckpt"

    @property
    def log(self) -> Path:
        """What a sweep's trial would have printed."""
        return self.folder / "run.log"

    @property
    def lock(self) -> Path:
        """Held by the process that writes into the folder."""
        return self.folder / ".lock"

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

    @property
    def tensorboard(self) -> Path:
        """The folder of the TensorBoard events."""
        return self.folder / "tensorboard"

    @property
    def closing_events(self) -> Path:
        """The events written when the run has ended; the name comes after those of the events before, in any order."""
        return self.tensorboard / "events.out.tfevents.end"

    @property
    def session(self) -> Path:
        """The run's entry in TensorBoard's HParams tab."""
        return self.tensorboard / "hparams" / "events.out.tfevents.session"


@dataclass(frozen=True)
class PredictionPaths:
    """File names inside a folder of predictions."""

    folder: Path

    @property
    def sheet(self) -> Path:
        """The contact sheet of images."""
        return self.folder / "sheet.png"

    @property
    def table(self) -> Path:
        """`predictions.csv`: file, row (of a CSV file), label and probability or value."""
        return self.folder / "predictions.csv"


@dataclass(frozen=True)
class SweepPaths:
    """File names inside one sweep's folder."""

    folder: Path

    @property
    def journal(self) -> Path:
        """The study's journal, when no storage is named."""
        return self.folder / "study.journal"

    @property
    def study_copy(self) -> Path:
        """What a study in another storage was when the sweep ended, as a journal to be read."""
        return self.folder / "study_copy.journal"

    @property
    def best(self) -> Path:
        """`best.yaml`: the winner as an experiment file."""
        return self.folder / "best.yaml"

    @property
    def trials(self) -> Path:
        """`trials.csv`: one row a trial."""
        return self.folder / "trials.csv"

    @property
    def results(self) -> Path:
        """`optimization_results.yaml`, as the official sweeper writes it."""
        return self.folder / "optimization_results.yaml"

    @property
    def rerun_settings(self) -> Path:
        """`rerun.csv`: one row for each setting that was run again, with mean and interval."""
        return self.folder / "rerun.csv"

    @property
    def rerun_runs(self) -> Path:
        """`rerun_runs.csv`: one row for each re-run."""
        return self.folder / "rerun_runs.csv"

    @property
    def reruns(self) -> Path:
        """The folder of the re-runs."""
        return self.folder / "rerun"

    def rerun(self, trial: int, seed: int) -> Path:
        """The folder of a re-run of a trial's settings."""
        return self.reruns / f"{trial}-{seed}"

    @property
    def tensorboard(self) -> Path:
        """The folder of the TensorBoard events that are about all runs: means over seeds."""
        return self.folder / "tensorboard"

    def seed_events(self, setting: str) -> Path:
        """The means over the seeds of a setting; `setting` becomes a folder's name, which TensorBoard shows."""
        return self.tensorboard / setting / "events.out.tfevents.seeds"

    @property
    def claims(self) -> Path:
        """The lock on which jobs take turns to claim a trial, when the storage is no file."""
        return self.folder / "study.claims"

    @property
    def multirun(self) -> Path:
        """`multirun.yaml`: the sweep's configuration, as Hydra's own sweeper writes it."""
        return self.folder / "multirun.yaml"

    @staticmethod
    def error(trial_folder: Path) -> Path:
        """`error.txt` in a failed trial's folder: the traceback."""
        return trial_folder / "error.txt"


@dataclass(frozen=True)
class SubmissionPaths:
    """File names inside the folder of one sweep's SLURM jobs; all nodes must see it."""

    folder: Path

    @property
    def jobs(self) -> Path:
        """Where submitit writes scripts, answers and logs, named by the job's id."""
        return self.folder / "%j"

    def function(self, content: bytes) -> Path:
        """What the jobs have in common, pickled; named by its content."""
        return self.folder / f"function-{hashlib.sha256(content).hexdigest()[:16]}.pkl"


@dataclass(frozen=True)
class ReportPaths:
    """File names inside a report's folder."""

    NAME: ClassVar = "report"
    folder: Path

    @property
    def page(self) -> Path:
        """`report.html`: the whole report in one file."""
        return self.folder / "report.html"

    @property
    def markdown(self) -> Path:
        """`report.md`: the tables."""
        return self.folder / "report.md"

    @property
    def settings(self) -> Path:
        """`settings.csv`: one row a setting, with mean, interval and n of each metric."""
        return self.folder / "settings.csv"

    @property
    def differences(self) -> Path:
        """`differences.csv`: one row for each metric and pair of settings that share two seeds or more."""
        return self.folder / "differences.csv"

    @property
    def runs(self) -> Path:
        """`runs.csv`: one row a run."""
        return self.folder / "runs.csv"

    def figure(self, name: str) -> Path:
        """A figure as PNG."""
        return self.folder / "figures" / f"{name}.png"
