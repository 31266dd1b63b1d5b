"""A run that was stopped and resumed ends as one that never was, to the bit."""

import re
import signal

import pytest

from lightsweep.config.saved import read_result
from lightsweep.errors import Interrupted, RunFolderError
from lightsweep.paths import RunPaths
from lightsweep.sweeping.isolation import Command, isolated_task
from lightsweep.training import train
from tests.training.stopped_runs import CASES, assert_same_end, equal, events_of
from tests.training.test_determinism import metrics_of, state_of


def test_a_run_of_a_sweep_leaves_it_to_the_sweep_how_to_go_on(run, tmp_path, stop_after):
    stop_after(7)
    with isolated_task(Command("train.py", None, ()), [], None), pytest.raises(Interrupted, match=r"by signal 15$"):
        run(*CASES["epochs"], folder=tmp_path)
    assert RunPaths(tmp_path).last.is_file()


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


@pytest.mark.parametrize("case", ["everything", "epochs"])
def test_a_run_that_max_steps_ended_within_an_epoch_goes_on_there(compose, run, tmp_path, case):
    overrides = [
        word for word in CASES[case] if not word.startswith(("logger=", "early_stopping", "scheduler=onecycle"))
    ]
    run(*overrides, "trainer.max_steps=13", folder=tmp_path / "at_once")
    first = run(*overrides, "trainer.max_steps=5", folder=tmp_path / "in_two")
    assert (first.status, first.steps, first.epochs) == ("completed", 5, 0)

    result = train(compose(*overrides, "trainer.max_steps=13"), tmp_path / "in_two", resume=True)

    whole = read_result(RunPaths(tmp_path / "at_once"))
    assert (result.steps, result.epochs) == (13, whole["epochs"])
    one, other = state_of(tmp_path / "at_once"), state_of(tmp_path / "in_two")
    for key in ("state_dict", "optimizer_states", "lr_schedulers", "loops", "global_step"):
        assert equal(one[key], other[key]), key
    rows = metrics_of(tmp_path / "in_two")
    assert [row for row in rows if (row["step"], row["train/loss_epoch"] != "") != ("5", True)] == metrics_of(
        tmp_path / "at_once"
    ), "but for the row of the end at step 5"


@pytest.mark.parametrize("monitor", ["val/acc", "train/loss"])
@pytest.mark.parametrize("limits", [(15,), (5, 15, 15, 16), (20,)])
def test_a_run_that_max_steps_ended_within_epochs_counts_each_once_for_early_stopping(
    compose, run, tmp_path, monitor, limits
):
    base = ("model=softmax_regression", "data.batch_size=55", "scheduler=plateau", "scheduler.patience=0")
    lasting = ("optimizer.lr=1e-30", "trainer.max_epochs=9", f"monitor={monitor}")
    overrides = (*base, *lasting, "early_stopping.patience=2", "early_stopping.min_delta=1")
    whole = run(*overrides, folder=tmp_path / "whole")
    assert whole.steps == 3 * 10

    for limit in limits:
        train(compose(*overrides, f"trainer.max_steps={limit}"), tmp_path / "run", resume=True)
    result = train(compose(*overrides), tmp_path / "run", resume=True)

    assert (result.steps, result.epochs) == (whole.steps, whole.epochs)
    one, other = state_of(tmp_path / "whole"), state_of(tmp_path / "run")
    assert equal(one["lr_schedulers"], other["lr_schedulers"])
    counted = [state["callbacks"][key] for state in (one, other) for key in state["callbacks"] if "Early" in key]
    assert counted[0] == counted[1]
    assert counted[0]["wait_count"] == 2


@pytest.mark.parametrize("case", ["everything", "often"])
def test_tensorboard_shows_each_step_once(compose, run, tmp_path, stop_after, case):
    run(*CASES[case], folder=tmp_path / "whole")
    stop_after(9)
    with pytest.raises(Interrupted, match="signal 15"):
        run(*CASES[case], folder=tmp_path / "run")
    train(compose(*CASES[case]), tmp_path / "run", resume=True)

    found = events_of(tmp_path / "run")
    assert found == events_of(tmp_path / "whole")
    points = [(tag, step) for tag, step, _ in found]
    assert len(points) == len(set(points))


SHORT = ("model=softmax_regression", "optimizer=adam", "trainer.max_epochs=3")


@pytest.mark.parametrize(
    ("overrides", "when"),
    [
        (CASES["epochs"], lambda stepper: stepper.epochs == 2),
        ((*SHORT, "trainer.max_steps=5"), lambda stepper: stepper.is_at_end),  # within an epoch
        ((*SHORT, "trainer.max_steps=22"), lambda stepper: stepper.is_at_end),  # at the end of one
    ],
)
def test_a_run_that_was_stopped_in_a_validation_ends_the_same(compose, run, tmp_path, monkeypatch, overrides, when):
    from lightsweep.training.conductor import Conductor

    run(*overrides, folder=tmp_path / "whole")
    original = Conductor.on_validation_start

    def start(self, *arguments):
        original(self, *arguments)
        if when(self.stepper):
            self.stepper.stop.request(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(Conductor, "on_validation_start", start)
        with pytest.raises(Interrupted, match="signal 2") as stopped:
            run(*overrides, folder=tmp_path / "stopped")
    assert stopped.value.exit_code == 130

    for _ in range(2):  # once more than needed: a run that is at its end stays there
        train(compose(*overrides), tmp_path / "stopped", resume=True)
        assert_same_end(tmp_path / "whole", tmp_path / "stopped")


def test_a_run_that_goes_on_reads_its_checkpoint_once(compose, run, tmp_path, monkeypatch):
    from lightsweep.training import checkpoints

    run(*CASES["full_batch"], "test=false", folder=tmp_path)
    found, read = [], checkpoints.read
    monkeypatch.setattr(checkpoints, "read", lambda path, **options: found.append(path) or read(path, **options))

    train(compose(*CASES["full_batch"], "test=false", "trainer.max_epochs=5"), tmp_path, resume=True)

    assert found == [RunPaths(tmp_path).last]


def test_two_processes_may_not_write_into_one_folder(compose, tmp_path):
    from lightsweep.training.resuming import held

    (tmp_path / "run").mkdir()
    with held(RunPaths(tmp_path / "run")), pytest.raises(RunFolderError, match="being written by another process"):
        train(compose(*CASES["full_batch"]), tmp_path / "run")
