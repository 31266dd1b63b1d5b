"""A run that was stopped and resumed ends as one that never was, to the bit."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightsweep.config.saved import read_result
from lightsweep.errors import Interrupted, RunFolderError
from lightsweep.paths import RunPaths
from lightsweep.training import train
from lightsweep.training.stepper import Stepper
from tests.training.test_determinism import EVERYTHING, differing, metrics_of, state_of

CASES = {
    "everything": (*EVERYTHING, "logger=tensorboard"),
    "epochs": (
        "model=softmax_regression",
        "scheduler=plateau",
        "scheduler.patience=0",
        "early_stopping.patience=3",
        "trainer.max_epochs=3",
        "trainer.log_every_n_steps=4",
    ),
    "no_validation": ("model=softmax_regression", "data.val_size=0", "optimizer=adam", "trainer.max_epochs=2"),
    "full_batch": ("model=softmax_regression", "optimizer=gd", "trainer.max_epochs=4"),
}


def equal(first, second):
    """Whether two trees of plain data and tensors are the same, to the bit."""
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(first[key], second[key]) for key in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(equal(a, b) for a, b in zip(first, second, strict=True))
    return first == second


@pytest.fixture
def stop_after(monkeypatch):
    """Asks the run to stop, as SIGTERM does, once some optimizer steps are made."""

    def stopping(steps):
        original = Stepper._step

        def step(self, *arguments):
            original(self, *arguments)
            if self.steps + 1 == steps:
                self.stop.request(signal.SIGTERM)

        monkeypatch.setattr(Stepper, "_step", step)

    return stopping


def assert_same_end(one, other):
    first, second = state_of(one), state_of(other)
    assert not differing(first["state_dict"], second["state_dict"])
    for key in ("optimizer_states", "lr_schedulers", "loops", "global_step"):
        assert equal(first[key], second[key]), key
    states = [next(v for k, v in c["callbacks"].items() if k.startswith("Conductor")) for c in (first, second)]
    assert equal(*[{k: v for k, v in state.items() if k != "seconds"} for state in states])
    assert metrics_of(one) == metrics_of(other)
    results = [read_result(RunPaths(folder)) for folder in (one, other)]
    for result in results:
        for key in ("seconds", "samples_per_second", "seconds_by_part"):
            result.pop(key)
    assert results[0] == results[1]


@pytest.mark.parametrize("steps", [1, 6, 7, 8, 13])
@pytest.mark.parametrize("case", CASES)
def test_a_run_that_was_stopped_at_a_step_ends_the_same(compose, run, tmp_path, stop_after, case, steps):
    run(*CASES[case], folder=tmp_path / "whole")
    total = read_result(RunPaths(tmp_path / "whole"))["steps"]
    steps = min(steps, total - 1)
    stop_after(steps)
    with pytest.raises(Interrupted, match=rf"signal 15; to go on: python train.py resume={re.escape(str(tmp_path))}"):
        run(*CASES[case], folder=tmp_path / "stopped")
    stopped = read_result(RunPaths(tmp_path / "stopped"))
    assert (stopped["status"], stopped["steps"]) == ("interrupted", steps)

    train(compose(*CASES[case]), tmp_path / "stopped", resume=True)

    assert_same_end(tmp_path / "whole", tmp_path / "stopped")


def test_tensorboard_shows_each_step_once(compose, run, tmp_path, stop_after):
    stop_after(9)
    with pytest.raises(Interrupted, match="signal 15"):
        run(*CASES["everything"], folder=tmp_path / "run")
    train(compose(*CASES["everything"]), tmp_path / "run", resume=True)

    events = EventAccumulator(str(RunPaths(tmp_path / "run").tensorboard)).Reload()
    for tag in events.Tags()["scalars"]:
        found = [event.step for event in events.Scalars(tag)]
        assert found == sorted(set(found)), tag


def test_a_run_that_was_stopped_in_its_validation_ends_the_same(compose, run, tmp_path, monkeypatch):
    from lightsweep.training.conductor import Conductor

    run(*CASES["epochs"], folder=tmp_path / "whole")
    original = Conductor.on_validation_start

    def start(self, *arguments):
        original(self, *arguments)
        if self.stepper.epochs == 2:
            self.stepper.stop.request(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(Conductor, "on_validation_start", start)
        with pytest.raises(Interrupted, match="signal 2") as stopped:
            run(*CASES["epochs"], folder=tmp_path / "stopped")
    assert stopped.value.exit_code == 130

    train(compose(*CASES["epochs"]), tmp_path / "stopped", resume=True)

    assert_same_end(tmp_path / "whole", tmp_path / "stopped")


def test_a_damaged_last_checkpoint_is_named_and_the_one_before_it_used(
    compose, run, tmp_path, stop_after, monkeypatch, capsys
):
    case = CASES["no_validation"]
    run(*case, folder=tmp_path / "whole")
    stop_after(15)
    with pytest.raises(Interrupted, match="signal 15"):
        run(*case, folder=tmp_path / "stopped")
    monkeypatch.undo()
    last = RunPaths(tmp_path / "stopped").last
    last.write_bytes(last.read_bytes()[:-100])

    train(compose(*case), tmp_path / "stopped", resume=True)

    assert re.search(r"warning: .*last\.ckpt is .*damaged.*; going on from previous\.ckpt", capsys.readouterr().err)
    assert_same_end(tmp_path / "whole", tmp_path / "stopped")


def test_a_run_without_a_checkpoint_starts_anew(compose, run, tmp_path):
    run(*CASES["full_batch"], folder=tmp_path / "whole")
    run(*CASES["full_batch"], folder=tmp_path / "killed")
    for path in RunPaths(tmp_path / "killed").checkpoints.iterdir():
        path.unlink()

    train(compose(*CASES["full_batch"]), tmp_path / "killed", resume=True)

    assert_same_end(tmp_path / "whole", tmp_path / "killed")


def test_two_processes_may_not_write_into_one_folder(compose, tmp_path):
    from lightsweep.training.resuming import held

    (tmp_path / "run").mkdir()
    with held(RunPaths(tmp_path / "run")), pytest.raises(RunFolderError, match="being written by another process"):
        train(compose(*CASES["full_batch"]), tmp_path / "run")


@pytest.mark.slow
def test_a_killed_process_is_resumed_by_its_command(mnist_root, tmp_path):
    """SIGKILL at three moments of a real command, and the last resumed run ends as one that never was killed."""
    words = [f"data.root={mnist_root}", "data.val_size=50", "data.batch_size=5", "model=mlp", "model.dropout=0.3",
             "trainer.max_epochs=30", "scheduler=cosine", "logger=none"]  # fmt: skip
    for name in ("whole", "killed"):
        command = [sys.executable, "train.py", *words, f"hydra.run.dir={tmp_path / name}"]
        if name == "whole":
            subprocess.run(command, check=True, capture_output=True)
            continue
        for _ in range(3):
            checkpoint = RunPaths(tmp_path / name).last
            before = checkpoint.stat().st_mtime_ns if checkpoint.is_file() else 0
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            while process.poll() is None and (not checkpoint.is_file() or checkpoint.stat().st_mtime_ns == before):
                time.sleep(0.005)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            command = [sys.executable, "train.py", f"resume={tmp_path / name}"]
        subprocess.run(command, check=True, capture_output=True)

    assert_same_end(tmp_path / "whole", tmp_path / "killed")
