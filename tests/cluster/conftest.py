"""What the tests on Ray and SLURM share: a small Hydra program, and Ray's nodes on this machine's loopback."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from optuna.trial import FrozenTrial

from lightsweep.paths import SweepPaths
from lightsweep.sweeping.storage import open_storage, storage_spec

PROGRAM = """
import json, os, pathlib, signal, time
import hydra

@hydra.main(version_base="1.3", config_path=None)
def main(cfg):
    attempt = os.environ["LIGHTSWEEP_ATTEMPT"]
    seen = {"number": cfg.number, "attempt": attempt, "gpus": os.environ.get("CUDA_VISIBLE_DEVICES")}
    pathlib.Path(f"seen-{cfg.number}-{attempt}.json").write_text(json.dumps(seen))
    if cfg.number == 13:
        raise ValueError("thirteen")
    if cfg.number == 14 and attempt == "0":
        os.kill(os.getpid(), signal.SIGKILL)
    return cfg.number

if __name__ == "__main__":
    main()
"""


class Program:
    """A Hydra program in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "program.py").write_text(PROGRAM)

    def run(self, *overrides: str) -> "subprocess.CompletedProcess[str]":
        """Run it, warnings of other people's packages left out."""
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(self.folder)}
        command = [sys.executable, "program.py", "-m", *overrides]
        return subprocess.run(command, cwd=self.folder, env=environ, capture_output=True, text=True, timeout=120)

    def seen(self) -> list[tuple[int, str]]:
        """Number and attempt of each job that started, in order."""
        found = [json.loads(path.read_text()) for path in self.folder.glob("seen-*.json")]
        return sorted((entry["number"], entry["attempt"]) for entry in found)


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.fixture(scope="session")
def needs_package() -> Callable[[str], None]:
    """Skips the test where an extra's package is not installed, and says so; on CI, which has all, fails it."""

    def needed(name: str) -> None:
        if importlib.util.find_spec(name) is None:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"not installed: the package {name}")

    return needed


SWEPT = """
import os, pathlib, socket, sys, time
import hydra

@hydra.main(version_base="1.3", config_path=None)
def main(cfg):
    pathlib.Path(cfg.folder, f"on-{socket.gethostname()}").touch()
    time.sleep(cfg.sleep_s)
    return (cfg.x - 1) ** 2

if __name__ == "__main__":
    main()
"""


class SweptProgram:
    """A Hydra program whose task sleeps; a sweep over its `x` takes little more than that."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.sweep_dir = folder, folder / "out"
        (folder / "program.py").write_text(SWEPT)

    def start(self, *overrides: str, environ: Mapping[str, str] = MappingProxyType({})) -> "subprocess.Popen[str]":
        """Start a sweep and return at once."""
        given = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(self.folder), **environ}
        command = [sys.executable, "program.py", "-m", "hydra/sweeper=optuna", f"hydra.sweep.dir={self.sweep_dir}",
                   "+x=interval(-2,2)", f"+folder={self.folder}", "hydra.sweeper.sampler.seed=0",
                   *overrides]  # fmt: skip
        return subprocess.Popen(
            command, cwd=self.folder, env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def trials(self) -> list[FrozenTrial]:
        """The study's trials; none before there is a study."""
        if not SweepPaths(self.sweep_dir).journal.is_file():
            return []
        storage = open_storage(storage_spec(None, self.sweep_dir))
        names = [study.study_name for study in storage.get_all_studies()]
        return storage.get_all_trials(storage.get_study_id_from_name(names[0])) if names else []

    def wait_for(self, sweep: "subprocess.Popen[str]", happened: Callable[[], bool]) -> None:
        """Wait until something has happened while the sweep runs."""
        end = time.monotonic() + 180
        while not happened():
            assert sweep.poll() is None, sweep.communicate()[0]
            assert time.monotonic() < end, "it did not happen within three minutes"
            time.sleep(0.1)


@pytest.fixture
def swept(tmp_path: Path) -> SweptProgram:
    return SweptProgram(tmp_path)
