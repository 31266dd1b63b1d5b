"""Real `train.py` processes that do not end by themselves."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.launching.processes import marked

ENDLESS = (
    "model=mlp",
    "trainer.accelerator=cpu",
    "trainer.max_epochs=-1",
    "trainer.max_steps=1000000",
    "data.val_size=50",
    "data.batch_size=40",
    "logger=none",
    "hydra.run.dir=run",
)
DEADLINE_S = 120.0
"""Far beyond the promised 30 s, since the machine may be busy; a hang would be caught by it."""


def until(happened: Callable[[], Any]) -> None:
    """Wait for something that must happen."""
    end = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def start(mnist_root: Path, tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Starts a run in `tmp_path/run` and gives its process, and a mark that it and its children bear."""
    mark, started = f"FAULTS_{os.getpid()}_{tmp_path.name}", []

    def starting(*overrides: str, base: tuple[str, ...] = ENDLESS) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "train.py"), *base, f"data.root={mnist_root}", *overrides],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{tmp_path}", mark: "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process, mark

    yield starting
    for process in started:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
    for pid in marked(mark):
        os.kill(pid, signal.SIGKILL)
