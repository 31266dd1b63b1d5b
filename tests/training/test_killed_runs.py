"""A run whose process was killed goes on from its last checkpoint, to the bit, though that be damaged or missing."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch

from lightsweep.config.saved import read_result
from lightsweep.errors import Interrupted
from lightsweep.paths import RunPaths
from lightsweep.training import checkpoints, evaluate, train
from lightsweep.training.checkpoints import Checkpoints
from lightsweep.training.stepper import Stepper
from tests.training.stopped_runs import CASES, assert_same_end, equal
from tests.training.test_determinism import differing, state_of


class Killed(BaseException):
    """Ends a run without anything being saved."""


@pytest.mark.parametrize("every", [1, 4, 6])
@pytest.mark.parametrize("case", ["everything", "often"])
def test_a_run_that_was_killed_within_an_epoch_goes_on_from_its_last_checkpoint(
    compose, run, tmp_path, monkeypatch, case, every
):
    overrides = [word for word in CASES[case] if "checkpoint_every" not in word]
    overrides.append(f"trainer.checkpoint_every_n_steps={every}")
    run(*CASES[case], folder=tmp_path / "whole")
    killed = read_result(RunPaths(tmp_path / "whole"))["steps"] - 2
    original = Stepper._step

    def step(self, *arguments):
        original(self, *arguments)
        if self.steps + 1 == killed:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Stepper, "_step", step)
        with pytest.raises(Killed):
            run(*overrides, folder=tmp_path / "killed")
    epoch = read_result(RunPaths(tmp_path / "whole"))["steps"] // 2
    assert state_of(tmp_path / "killed")["global_step"] == epoch + (killed - 1 - epoch) // every * every
    result = train(compose(*overrides), tmp_path / "killed", resume=True)

    assert result.status == "completed"
    first, second = state_of(tmp_path / "whole"), state_of(tmp_path / "killed")
    assert not differing(first["state_dict"], second["state_dict"])
    assert equal(first["optimizer_states"], second["optimizer_states"])


def test_a_kill_at_any_moment_leaves_the_last_checkpoint_by_its_name(run, tmp_path, monkeypatch):
    last, there = RunPaths(tmp_path / "run").last, []

    def replace(source, target):
        os.rename(source, target)
        there.append(last.is_file())

    monkeypatch.setattr(os, "replace", replace)
    run(*CASES["often"], folder=tmp_path / "run")

    assert all(there[there.index(True) :])


def test_minutes_make_checkpoints_within_an_epoch_too(run, tmp_path, monkeypatch):
    now = iter(range(10**6))
    monkeypatch.setattr("lightsweep.training.checkpoints.time.monotonic", lambda: 61.0 * next(now))
    saved = []
    monkeypatch.setattr(Checkpoints, "save", lambda self, trainer: saved.append(trainer.global_step))
    monkeypatch.setattr("lightsweep.training.checkpoints.link", lambda *_: None)

    run("model=softmax_regression", "trainer.inner_steps=2", "trainer.checkpoint_every_minutes=1", "test=false")

    assert saved == [2, 4, 6, 8, 10, 11, 11]


def test_a_best_checkpoint_that_a_kill_kept_from_its_name_gets_it_on_resuming(compose, run, tmp_path, monkeypatch):
    case = CASES["epochs"]
    run(*case, folder=tmp_path / "whole")

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("lightsweep.training.checkpoints.link", killed)
        with pytest.raises(Killed):
            run(*case, folder=tmp_path / "killed")
    assert not RunPaths(tmp_path / "killed").best.is_file()
    monkeypatch.setattr(Checkpoints, "_beats", lambda *_: False)  # nothing later is better

    train(compose(*case), tmp_path / "killed", resume=True)

    assert torch.load(RunPaths(tmp_path / "killed").best, weights_only=True)["global_step"] == 11


def test_a_best_checkpoint_gets_its_name_also_where_the_kill_came_after_the_last_epoch(
    compose, run, tmp_path, monkeypatch
):
    case = CASES["no_validation"]  # each epoch's training loss is below the one before
    kept, calls = checkpoints.link, iter(range(2))

    def killed(source, target, **how):
        if target.name == "best.ckpt" and next(calls) == 1:
            raise Killed
        kept(source, target, **how)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "link", killed)
        with pytest.raises(Killed):
            run(*case, folder=tmp_path / "killed")

    result = train(compose(*case), tmp_path / "killed", resume=True)

    paths = RunPaths(tmp_path / "killed")
    assert torch.load(paths.best, weights_only=True)["global_step"] == result.steps
    assert evaluate(tmp_path / "killed", "last")["test/loss"] == result.metrics["test/loss"]


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


@pytest.mark.slow
def test_a_killed_process_is_resumed_by_its_command(run, mnist_root, tmp_path):
    """SIGKILL at three moments of a real command, and the last resumed run ends as one that never was killed."""
    words = [f"data.root={mnist_root}", "data.val_size=50", "data.batch_size=5", "model=mlp", "model.dropout=0.3",
             "trainer.max_epochs=15", "scheduler=cosine", "logger=none"]  # fmt: skip
    run(*words, "trainer.accelerator=auto", folder=tmp_path / "whole")
    command = [sys.executable, "train.py", *words, f"hydra.run.dir={tmp_path / 'killed'}"]
    checkpoint = RunPaths(tmp_path / "killed").last
    for _ in range(3):
        before = checkpoint.stat().st_mtime_ns if checkpoint.is_file() else 0
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while process.poll() is None and (not checkpoint.is_file() or checkpoint.stat().st_mtime_ns == before):
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        command = [sys.executable, "train.py", f"resume={tmp_path / 'killed'}"]
    subprocess.run(command, check=True, capture_output=True)

    assert_same_end(tmp_path / "whole", tmp_path / "killed")
