"""The event files of a run that was stopped or killed and goes on."""

import signal

import pytest

from lightsweep.errors import Interrupted
from lightsweep.paths import RunPaths
from lightsweep.training import train
from tests.reporting.tensorboard.test_board import MLP


def test_a_run_that_is_resumed_after_its_training_keeps_its_graph(compose, run, tmp_path, read):
    overrides = ("model=softmax_regression", "logger=tensorboard", "trainer.max_epochs=1")
    run(*overrides, folder=tmp_path)
    train(compose(*overrides), tmp_path, resume=True)

    assert read(RunPaths(tmp_path).tensorboard).Tags()["graph"]


def test_a_killed_and_resumed_run_has_each_step_once_as_one_that_never_stopped(
    compose, run, tmp_path, monkeypatch, curves
):
    """Killed after the second epoch's row was logged and before its checkpoint was written; the last record is torn."""
    from lightsweep.training.checkpoints import Checkpoints

    run(*MLP, folder=tmp_path / "whole")
    original = Checkpoints.save

    def save(self, trainer):
        if trainer.global_step == 22:
            raise KeyboardInterrupt
        original(self, trainer)

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "save", save)
        with pytest.raises(SystemExit, match="1"):  # as Lightning ends at a KeyboardInterrupt
            run(*MLP, folder=tmp_path / "killed")
    paths = RunPaths(tmp_path / "killed")
    newest = max(paths.tensorboard.glob("*tfevents.[0-9]*"))
    newest.write_bytes(newest.read_bytes()[:-5])

    train(compose(*MLP), tmp_path / "killed", resume=True)

    whole, resumed = (curves(RunPaths(tmp_path / name).tensorboard) for name in ("whole", "killed"))
    timeless = [tag for tag in whole if not tag.startswith("time/")]
    assert {tag: resumed[tag] for tag in timeless} == {tag: whole[tag] for tag in timeless}
    for tag in whole:
        steps = [step for step, _ in resumed[tag]]
        assert steps == sorted(set(steps)), tag


def test_an_interrupted_run_is_registered_and_replaced_when_it_is_resumed(compose, tmp_path, hparams_tab, monkeypatch):
    from lightsweep.training.stepper import Stepper

    original = Stepper._step

    def step(self, *arguments):
        original(self, *arguments)
        if self.steps == 13:
            self.stop.request(signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(Stepper, "_step", step)
        with pytest.raises(Interrupted, match="signal 15"):
            train(compose(*MLP), tmp_path)
    (stopped,) = hparams_tab(tmp_path).groups
    assert (stopped.statuses, stopped.settings["status"]) == (["FAILURE"], "interrupted")

    train(compose(*MLP), tmp_path, resume=True)

    (whole,) = hparams_tab(tmp_path).groups
    assert (whole.statuses, whole.settings["status"]) == (["SUCCESS"], "completed")
