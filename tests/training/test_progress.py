"""What is printed of an epoch."""

from types import SimpleNamespace

from lightsweep.training import progress
from lightsweep.training.progress import Bar


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
