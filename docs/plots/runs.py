"""The runs that plots are drawn from: made by the very command that the page shows, and read back from its files."""

import csv
import shlex
import subprocess
import sys
from pathlib import Path

from omegaconf import OmegaConf

ROOT = Path(__file__).resolve().parents[2]


def made(command: str) -> Path:
    """The folder of a command's run or multirun; the command runs if the folder is not there yet.

    Args:
        command: `python train.py …` with a `hydra.run.dir` or `hydra.sweep.dir`.
    """
    words = shlex.split(command)
    folder = ROOT / next(
        word.partition("=")[2] for word in words if word.startswith(("hydra.run.dir=", "hydra.sweep.dir="))
    )
    if not folder.is_dir():
        subprocess.run([sys.executable, *words[1:]], cwd=ROOT, check=True)
    return folder


def each(folder: Path) -> list[Path]:
    """The runs of a multirun, in the order of their numbers."""
    return sorted((path for path in folder.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))


def setting(run: Path, key: str) -> float | str:
    """A value of a run's configuration."""
    return OmegaConf.select(OmegaConf.load(run / "config.yaml"), key)


def choice(run: Path, group: str) -> str:
    """Which member of a group a run was made with."""
    return OmegaConf.select(OmegaConf.load(run / ".hydra" / "hydra.yaml"), f"hydra.runtime.choices.{group}")


def curve(run: Path, metric: str, over: str = "step") -> tuple[list[float], list[float]]:
    """A metric's logged values, and where on the axis `over` (step, epoch or seconds) they lie."""
    with (run / "metrics.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get(metric)]
    return [float(row[over]) for row in rows], [float(row[metric]) for row in rows]
