"""A run that was stopped and resumed ends as one that never was, to the bit."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch
from lightning.pytorch import Callback
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util.tensor_util import make_ndarray

from lightsweep.config.saved import read_result
from lightsweep.errors import Interrupted, RunFolderError
from lightsweep.paths import RunPaths
from lightsweep.sweeping.isolation import Command, isolated_task
from lightsweep.training import train
from lightsweep.training.checkpoints import Checkpoints
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
    "often": (
        "model=softmax_regression",
        "logger=tensorboard",
        "trainer.max_epochs=2",
        "trainer.checkpoint_every_n_steps=4",
        "trainer.log_every_n_steps=6",
    ),
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


def events_of(folder):
    """What TensorBoard's files hold, one after the other: tag, step and value of each scalar that is no time."""
    found = []
    for path in sorted(RunPaths(folder).tensorboard.glob("events*"), key=lambda path: path.stat().st_mtime_ns):
        for event in EventFileLoader(str(path)).Load():
            found += [
                (v.tag, event.step, make_ndarray(v.tensor).item())
                for v in event.summary.value
                if v.metadata.plugin_data.plugin_name == "scalars" and not v.tag.startswith("time/")
            ]
    return found


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


class Witness(Callback):
    """Remembers each chunk that it was told of, and what its hooks do to the state that is saved."""

    def __init__(self):
        self.chunks, self.epochs = [], 0

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        loop = trainer.fit_loop.epoch_loop
        logged = [loop._batches_that_stepped, loop.total_batch_idx]
        self.chunks.append([trainer.current_epoch, batch_idx, trainer.is_last_batch, trainer.global_step, *logged])

    def on_train_epoch_end(self, trainer, pl_module):
        self.epochs += 1

    def state_dict(self):
        return {"chunks": self.chunks, "epochs": self.epochs}

    def load_state_dict(self, state_dict):
        self.chunks, self.epochs = state_dict["chunks"], state_dict["epochs"]


@pytest.mark.parametrize("validated", [True, False])
@pytest.mark.parametrize("steps", [5, 6, 11, 12, 13, 14, 18, "validation"])  # 11 an epoch, two a chunk; 18 in all
def test_a_callback_is_told_of_each_chunk_once(compose, tmp_path, monkeypatch, stop_after, steps, validated):
    from lightsweep.training.conductor import Conductor

    cfg = compose("model=softmax_regression", "trainer.max_epochs=5", "trainer.inner_steps=2", "trainer.max_steps=18",
                  "test=false", *([] if validated else ["trainer.check_val_every_n_epoch=5"]))  # fmt: skip
    train(cfg, tmp_path / "whole", callbacks=[Witness()])
    original = Conductor.on_validation_start

    def start(self, *arguments):
        original(self, *arguments)
        if validated or self.stepper.is_at_end:
            self.stepper.stop.request(signal.SIGTERM)

    with monkeypatch.context() as patched:
        if steps == "validation":
            patched.setattr(Conductor, "on_validation_start", start)
        else:
            stop_after(steps)
        with pytest.raises(Interrupted, match="signal 15"):
            train(cfg, tmp_path / "stopped", callbacks=[Witness()])

    train(cfg, tmp_path / "stopped", resume=True, callbacks=[Witness()])

    one, other = (state_of(tmp_path / name)["callbacks"]["Witness"] for name in ("whole", "stopped"))
    assert other == one
    assert [told[:4] for told in one["chunks"]][5:7] == [[0, 5, True, 11], [1, 0, False, 13]]
    assert_same_end(tmp_path / "whole", tmp_path / "stopped")


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")  # a new process has made none
@pytest.mark.parametrize("steps", [4, 11])  # of 11 an epoch, two a chunk
def test_a_chunk_that_no_callback_was_told_of_is_made_up_for(compose, tmp_path, monkeypatch, stop_after, steps):
    from lightsweep.training.conductor import Conductor

    cfg = compose("model=softmax_regression", "trainer.max_epochs=3", "trainer.inner_steps=2", "scheduler=step",
                  "scheduler.step_size=1", "trainer.log_every_n_steps=4", "test=false")  # fmt: skip
    train(cfg, tmp_path / "whole")
    original = Conductor.on_train_batch_end

    def told(self, *arguments):
        if not self.stepper.stop.requested:  # earlier versions stopped before it
            original(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Conductor, "on_train_batch_end", told)
        stop_after(steps)
        with pytest.raises(Interrupted, match="signal 15"):
            train(cfg, tmp_path / "stopped")

    found = train(cfg, tmp_path / "stopped", resume=True)

    assert found.epochs == 3
    assert_same_end(tmp_path / "whole", tmp_path / "stopped")


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


@pytest.mark.parametrize("steps", [5, 22])  # within an epoch; at the end of one
def test_a_run_that_was_stopped_in_the_validation_after_its_last_step_ends_the_same(
    compose, run, tmp_path, monkeypatch, steps
):
    from lightsweep.training.conductor import Conductor

    overrides = ("model=softmax_regression", "optimizer=adam", "trainer.max_epochs=3", f"trainer.max_steps={steps}")
    run(*overrides, folder=tmp_path / "whole")
    original = Conductor.on_validation_start

    def start(self, *arguments):
        original(self, *arguments)
        if self.stepper.is_at_end:
            self.stepper.stop.request(signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(Conductor, "on_validation_start", start)
        with pytest.raises(Interrupted, match="signal 15"):
            run(*overrides, folder=tmp_path / "stopped")

    for _ in range(2):  # once more than needed: a run that is at its end stays there
        train(compose(*overrides), tmp_path / "stopped", resume=True)
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
