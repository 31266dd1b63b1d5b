"""What own callbacks are told by a run that goes on, and what is made up for that they were not told."""

import signal

import pytest
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import BaseFinetuning, EarlyStopping, Timer

from lightsweep.errors import Interrupted
from lightsweep.training import train
from tests.training.stopped_runs import assert_same_end
from tests.training.test_determinism import state_of


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


class Thaws(BaseFinetuning):
    """Says when it thaws, and not what is thawed by then."""

    def freeze_before_training(self, pl_module):
        self.freeze(pl_module.net, train_bn=False)
        self.make_trainable(pl_module.net[-1])

    def finetune_function(self, pl_module, epoch, optimizer):
        if epoch == 1:
            self.make_trainable(pl_module.net)


@pytest.mark.parametrize("steps", [5, 25])  # 11 an epoch
def test_a_run_that_goes_on_has_frozen_what_was(compose, tmp_path, stop_after, steps):
    cfg = compose("model=mlp", "model.widths=[8]", "model.batch_norm=true", "trainer.max_epochs=3", "test=false")
    train(cfg, tmp_path / "whole", callbacks=[Thaws()])
    stop_after(steps)

    with pytest.raises(Interrupted, match="signal 15"):
        train(cfg, tmp_path / "stopped", callbacks=[Thaws()])
    train(cfg, tmp_path / "stopped", resume=True, callbacks=[Thaws()])

    assert_same_end(tmp_path / "whole", tmp_path / "stopped")


class Stops(Callback):
    """Ends the run after a hook, and remembers nothing."""

    def __init__(self, hook, steps):
        self.steps = steps
        setattr(self, hook, self._stop)

    def _stop(self, trainer, *_):
        trainer.should_stop |= trainer.global_step == self.steps


STOPPING = {  # 11 steps an epoch, two a chunk
    "epoch": lambda: Stops("on_train_epoch_end", 22),
    "validation": lambda: Stops("on_validation_end", 22),
    "chunk": lambda: Stops("on_train_batch_end", 15),
    "threshold": lambda: EarlyStopping("val/loss", stopping_threshold=2.0, patience=9),
    "divergence": lambda: EarlyStopping("train/loss", divergence_threshold=0.1, patience=9),
}


@pytest.mark.parametrize("case", STOPPING)
def test_a_run_that_a_callback_ended_stays_ended(compose, tmp_path, case):
    cfg = compose("model=softmax_regression", "trainer.max_epochs=5", "trainer.inner_steps=2", "test=false")
    for name in ("whole", "again"):
        train(cfg, tmp_path / name, callbacks=[STOPPING[case]()])

    found = train(cfg, tmp_path / "again", resume=True, callbacks=[STOPPING[case]()])

    assert found.epochs < 5
    assert_same_end(tmp_path / "whole", tmp_path / "again")


def test_a_run_that_a_callback_ended_within_an_epoch_has_only_its_validation_to_come(compose, tmp_path, monkeypatch):
    from lightsweep.training.conductor import Conductor

    cfg = compose("model=softmax_regression", "trainer.max_epochs=5", "trainer.inner_steps=2", "test=false")
    train(cfg, tmp_path / "whole", callbacks=[STOPPING["chunk"]()])
    original = Conductor.on_validation_start

    def start(self, *arguments):
        original(self, *arguments)
        if self.stepper.steps == 15:
            self.stepper.stop.request(signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(Conductor, "on_validation_start", start)
        with pytest.raises(Interrupted, match="signal 15"):
            train(cfg, tmp_path / "stopped", callbacks=[STOPPING["chunk"]()])
    train(cfg, tmp_path / "stopped", resume=True, callbacks=[STOPPING["chunk"]()])

    assert_same_end(tmp_path / "whole", tmp_path / "stopped")


@pytest.mark.parametrize("limits", [("max_steps=15", "max_steps=-1"), ("max_time=00:01:00:00", "max_time=00:03:00:00")])
def test_a_run_that_a_limit_ended_goes_on_when_it_is_given_more(compose, tmp_path, monkeypatch, limits):
    monkeypatch.setattr(Timer, "on_fit_start", lambda *_: None)  # there is time for a chunk
    monkeypatch.setattr(Timer, "time_elapsed", lambda *_: 2 * 60 * 60.0)
    base = ("model=softmax_regression", "trainer.max_epochs=2", "trainer.inner_steps=2", "test=false")

    found = [train(compose(*base, f"trainer.{limit}"), tmp_path, resume=True).epochs for limit in limits]

    assert found[0] < found[1] == 2
