"""A small Hydra application in a folder of its own, and ways to sweep over it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"

TASK = """
import math, os, pathlib, signal, sys, time
import hydra


@hydra.main(config_path="conf", config_name="config", version_base="1.3")
def main(cfg):
    time.sleep(cfg.sleep_s)
    if cfg.fail == "always" or (cfg.fail == "high" and cfg.x > 1):
        raise RuntimeError(f"x is {'bad' if cfg.fail == 'high' else 'never good'}")
    if cfg.fail == "exit":
        sys.exit(3)
    if cfg.fail == "kill" and not pathlib.Path(cfg.token).exists():
        pathlib.Path(cfg.token).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if cfg.fail == "kill always":
        os.kill(os.getpid(), signal.SIGKILL)
    if cfg.fail == "interrupt" and not pathlib.Path(cfg.token).exists():
        pathlib.Path(cfg.token).touch()
        raise KeyboardInterrupt
    value = (math.log10(cfg.optimizer.lr) + 2) ** 2 + (cfg.x - 1) ** 2
    bad = {"not_a_number": math.nan, "infinite": math.inf, "none": None, "text": "abc"}
    return {**bad, "number": value, "pair": [value, cfg.x]}[cfg.returns]


if __name__ == "__main__":
    main()
"""

CONFIG = """
defaults: [optimizer: sgd, _self_]
x: 0.0
n: 1
widths: [64]
fail: no
token: token
returns: number
sleep_s: 0
monitor: val/loss
"""


class App:
    """The application's folder; `sweep` runs it in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sweep_dir = folder / "out"
        (folder / "conf" / "optimizer").mkdir(parents=True)
        (folder / "conf" / "experiment").mkdir()
        (folder / "app.py").write_text(TASK)
        (folder / "conf" / "config.yaml").write_text(CONFIG)
        (folder / "conf" / "optimizer" / "sgd.yaml").write_text("lr: 0.1\nmomentum: 0.9\n")
        (folder / "conf" / "optimizer" / "adam.yaml").write_text("lr: 0.001\nbeta: 0.9\n")

    def command(self, *overrides: str, sweep: bool = True) -> list[str]:
        """The command line, with the sweeper and the sweep's folder chosen."""
        chosen = ["-m", "hydra/sweeper=optuna", f"hydra.sweep.dir={self.sweep_dir}"] if sweep else []
        flags = [word for word in overrides if word.startswith("--")]
        return [sys.executable, "app.py", *flags, *chosen, *(word for word in overrides if word not in flags)]

    def environment(self) -> dict[str, str]:
        """The environment with this checkout's packages first."""
        path = os.pathsep.join([str(SOURCE), str(self.folder), os.environ.get("PYTHONPATH", "")])
        return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}

    def start(self, *overrides: str, sweep: bool = True) -> "subprocess.Popen[str]":
        """Start a sweep in a process group of its own and return at once."""
        return subprocess.Popen(
            self.command(*overrides, sweep=sweep),
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def sweep(self, *overrides: str, code: int = 0, sweep: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a sweep to its end, which must be the exit code `code`."""
        process = self.start(*overrides, sweep=sweep)
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, f"exit code {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture(scope="session")
def make_app() -> type[App]:
    return App


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path)


@pytest.fixture
def study_of() -> Callable:
    """The trials of a sweep folder's journal."""
    import optuna

    from lightsweep.sweeping.storage import open_storage, storage_spec

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def read(folder: Path, name: str = "sweep") -> optuna.Study:
        return optuna.load_study(study_name=name, storage=open_storage(storage_spec(None, folder)))

    return read
