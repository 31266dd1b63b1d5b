"""What is printed of a run's start and of an epoch."""

from types import SimpleNamespace

import pytest
from torch import nn

from lightsweep.data import DataSpec
from lightsweep.models import MLP, TorchvisionNet, Wrapped
from lightsweep.training import progress
from lightsweep.training.progress import Bar
from lightsweep.training.result import Result

TABLE = DataSpec((4,), 3)
GRAY = DataSpec((1, 28, 28), 10)
NAME = "shufflenet_v2_x0_5"


def test_a_resumed_epoch_counts_what_was_trained_since(monkeypatch, capsys):
    now = iter([0.0, 2.0])
    monkeypatch.setattr(progress, "time", SimpleNamespace(perf_counter=lambda: next(now)))
    epoch = SimpleNamespace(examples=900)
    bar = Bar(SimpleNamespace(epoch=epoch, model=SimpleNamespace(evaluated={})), print_loss=False)
    trainer = SimpleNamespace(current_epoch=0, max_epochs=1)

    bar._trainer = trainer
    bar.on_train_epoch_start(trainer, None)
    epoch.examples = 1000
    bar.on_train_epoch_end(trainer, None)

    assert capsys.readouterr().out == "epoch 1/1   50 samples/s   2.0 s\n"


def test_the_time_left_of_a_resumed_run_goes_by_what_was_trained_since(monkeypatch):
    monkeypatch.setattr(progress, "draws", lambda console: True)
    monkeypatch.setattr(progress, "time", SimpleNamespace(perf_counter=iter([0.0, 10.0]).__next__))
    stepper = SimpleNamespace(examples=500, epoch=SimpleNamespace(examples=0), batches=0, steps=5, max_steps=-1)
    bar = Bar(stepper, print_loss=False)
    trainer = SimpleNamespace(current_epoch=5, max_epochs=10, datamodule=SimpleNamespace(num_train_batches=1))

    bar._trainer = trainer
    bar.on_train_start(trainer, None)
    trainer.current_epoch = 6
    stepper.on_tick()

    assert bar._progress.tasks[0].fields["text"].endswith("0:00:40 left")  # four of ten epochs, at 10 s each
    bar.close()


def test_the_line_of_an_epoch_without_a_validation_has_none_of_an_earlier_one(run, capsys):
    overrides = ("trainer.max_epochs=3", "trainer.check_val_every_n_epoch=2", "test=false")
    run("model=softmax_regression", *overrides)

    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    assert ["val loss" in line for line in lines] == [False, True, False]


@pytest.mark.parametrize(
    ("model", "processes", "weights", "told"),
    [
        (lambda: MLP(TABLE, widths=[5]), 1, None, "MLP, 1,234 parameters   cpu (such)   32-true\n"),
        (lambda: Wrapped(TABLE, nn.Linear(4, 3)), 2, None, "Linear, 1,234 parameters   2 × cpu (such)   32-true\n"),
        (lambda: TorchvisionNet(GRAY, NAME), 1, None, f"{NAME}, 1,234 parameters   cpu (such)   32-true\n"),
        (lambda: MLP(TABLE, widths=[5]), 1, "a/b", "MLP, 1,234 parameters   cpu (such)   32-true   weights of a/b\n"),
    ],
)
def test_a_run_begins_with_what_is_trained_where_and_how_exactly(capsys, model, processes, weights, told):
    result = Result("running", 0, device="cpu (such)", precision="32-true", parameters=1234)

    Bar(SimpleNamespace(model=model()), print_loss=False).introduce(result, "auto", processes, weights)

    assert capsys.readouterr().out == told
