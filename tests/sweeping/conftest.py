"""A small Hydra application in a folder of its own, and ways to sweep over it."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
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
    if cfg.fail == "full" and pathlib.Path(cfg.token).exists():
        raise OSError(28, "No space left on device")
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
        """Run a sweep to its end, which must be the exit code `code`, in a process forked from a warm one."""
        command = self.command(*overrides, sweep=sweep)
        done = warm_python().run(command[1:], self.folder, self.environment())
        assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def fresh_sweep(self, *overrides: str) -> None:
        """Run a sweep to its good end in a process that has nothing from another."""
        process = self.start(*overrides)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, f"exit code {process.returncode}\n{out}\n{err}"


class WarmPython:
    """The process of `warm_python.py`."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        program = str(Path(__file__).with_name("warm_python.py"))
        self._process = subprocess.Popen(
            [sys.executable, program], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def close(self) -> None:
        """End it: it has nothing more to read."""
        self._process.communicate(timeout=30)

    def run(self, argv: list[str], folder: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end, at most two minutes."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        out, err = folder / "stdout.txt", folder / "stderr.txt"
        files = {"folder": str(folder), "out": str(out), "err": str(err)}
        self._process.stdin.write(json.dumps({"argv": argv, "environment": environment, **files}) + "\n")
        self._process.stdin.flush()
        answered, _, _ = select.select([self._process.stdout], [], [], 120)
        assert answered, f"no end within two minutes: {argv}"
        code = int(self._process.stdout.readline())
        return subprocess.CompletedProcess(argv, code, out.read_text(), err.read_text())


@cache
def warm_python() -> WarmPython:
    """One for all tests, started by the first that needs it."""
    return WarmPython()


@pytest.fixture(scope="session", autouse=True)
def _end_warm_python() -> Iterator[None]:
    yield
    if warm_python.cache_info().currsize:
        warm_python().close()


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
