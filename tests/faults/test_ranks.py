"""A process of several dies: the others end with its reason, and none is left hanging."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from lightsweep.paths import RunPaths
from tests.faults.conftest import DEADLINE_S, until
from tests.launching.processes import marked, wait_until_dead

PAIR = ("trainer.devices=2", "trainer.strategy=ddp")
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

pytestmark = pytest.mark.slow


@pytest.fixture
def pair(start, tmp_path):
    """A run by two processes that has written its first checkpoint: the process started, and both process ids."""
    process, mark = start(*PAIR)
    until(lambda: RunPaths(tmp_path / "run").last.is_file() or process.poll() is not None)
    assert process.poll() is None, process.stderr.read()
    pids = processes_of_run(mark)
    assert len(pids) == 2
    return process, [process.pid, next(pid for pid in pids if pid != process.pid)]


def processes_of_run(mark):
    return [pid for pid in marked(mark) if b"train.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_rank_that_still_imports_does_not_outlive_the_first(start):
    process, mark = start(*PAIR)
    until(lambda: len(processes_of_run(mark)) == 2 or process.poll() is not None)
    assert process.poll() is None, process.stderr.read()

    os.kill(process.pid, signal.SIGKILL)

    until(lambda: not processes_of_run(mark))  # it looks when it has imported


def test_the_first_process_says_which_other_died_and_ends(pair, tmp_path):
    process, (_, second) = pair

    os.kill(second, signal.SIGKILL)

    _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 5
    assert "error: rank 1 was killed by signal 9 (SIGKILL)" in err
    result = json.loads(RunPaths(tmp_path / "run").result.read_text())
    assert result["status"] == "failed"
    assert result["reason"].startswith("rank 1 was killed by signal 9 (SIGKILL)")


def test_a_rank_that_hangs_after_anothers_death_is_ended_too(pair):
    process, (first, second) = pair

    os.kill(second, signal.SIGSTOP)  # the first waits for it in a collective operation
    time.sleep(1)
    os.kill(second, signal.SIGKILL)

    _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 5
    assert "error: rank 1 was killed by signal 9 (SIGKILL)" in err
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
    assert len(err.splitlines()) == 1, err
    assert err.startswith(f"error: interrupted by signal {int(number)}; to go on: python ")
    assert "train.py resume=" in err
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
    (tmp_path / "faults.py").write_text(FAULTS)

    process, mark = start(*PAIR, f"+callbacks.fault._target_=faults.{fault}", "trust=[faults]")

    _, err = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 5, err
    assert line in err
    assert json.loads(RunPaths(tmp_path / "run").result.read_text())["reason"] in line
    wait_until_dead(lambda: marked(mark))
