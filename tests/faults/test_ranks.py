"""A process of several dies: the others end with its reason, and none is left hanging."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lightsweep.paths import RunPaths
from tests.faults.nursery import ROOT
from tests.launching.processes import marked, wait_until_dead

ENDLESS = (
    "model=mlp",
    "trainer.devices=2",
    "trainer.strategy=ddp",
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

pytestmark = pytest.mark.slow


FAULTS = """
import os, time
from lightning.pytorch import Callback

class Fails(Callback):
    def on_train_epoch_end(self, trainer, module):
        if trainer.global_rank == 1:
            raise RuntimeError("out of luck")

class Hangs(Callback):
    def on_train_epoch_end(self, trainer, module):
        if trainer.global_rank == 1:
            os._exit(7)
        time.sleep(3600)
"""


@pytest.fixture
def start(mnist_root, tmp_path):
    """Starts a run by two processes, whose environments hold a mark, and gives the first."""
    mark, started = f"FAULTS_{os.getpid()}_{tmp_path.name}", []
    (tmp_path / "faults.py").write_text(FAULTS)

    def starting(*overrides):
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "train.py"), *ENDLESS, f"data.root={mnist_root}", *overrides],
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
        process.stderr.close()
    for pid in marked(mark):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def pair(start, tmp_path):
    """A run by two processes that has written its first checkpoint: the process started, and both process ids."""
    process, mark = start()
    until(lambda: RunPaths(tmp_path / "run").last.is_file() or process.poll() is not None)
    assert process.poll() is None, process.stderr.read()
    pids = [pid for pid in marked(mark) if b"train.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(pids) == 2
    return process, [process.pid, next(pid for pid in pids if pid != process.pid)]


def until(happened):
    end = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_the_first_process_says_which_other_died_and_ends(pair, tmp_path):
    process, (_, second) = pair

    os.kill(second, signal.SIGKILL)

    _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 5
    assert "error: rank 1 was killed by signal 9 (Killed)" in err
    result = json.loads(RunPaths(tmp_path / "run").result.read_text())
    assert result["status"] == "failed"
    assert result["reason"].startswith("rank 1 was killed by signal 9 (Killed)")


def test_a_rank_that_hangs_after_anothers_death_is_ended_too(pair):
    process, (first, second) = pair

    os.kill(second, signal.SIGSTOP)  # the first waits for it in a collective operation
    time.sleep(1)
    os.kill(second, signal.SIGKILL)

    _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 5
    assert "error: rank 1 was killed by signal 9 (Killed)" in err
    wait_until_dead(lambda: [first, second])


def test_the_others_end_when_the_first_dies(pair):
    process, (_, second) = pair

    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    wait_until_dead(lambda: [second])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_to_the_first_process_stops_both_with_a_checkpoint(pair, tmp_path, number, code):
    process, (_, second) = pair

    os.kill(process.pid, number)

    _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == code, err
    assert f"error: interrupted by signal {int(number)}; to go on: python train.py resume=" in err
    assert "Traceback" not in err
    assert json.loads(RunPaths(tmp_path / "run").result.read_text())["status"] == "interrupted"
    wait_until_dead(lambda: [second])


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        ("Fails", "error: rank 1 ended with exit code 1: RuntimeError: out of luck"),
        ("Hangs", "error: rank 1 ended with exit code 7"),  # the first would sleep for an hour
    ],
)
def test_a_rank_that_fails_ends_the_run_with_its_reason(start, tmp_path, fault, line):
    process, mark = start(f"+callbacks.fault._target_=faults.{fault}", "trust=[faults]")

    _, err = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 5, err
    assert line in err
    assert json.loads(RunPaths(tmp_path / "run").result.read_text())["reason"] in line
    wait_until_dead(lambda: marked(mark))
