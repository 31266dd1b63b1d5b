"""What the tests on Ray and SLURM share: a small Hydra program, and Ray's nodes on this machine's loopback."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

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
