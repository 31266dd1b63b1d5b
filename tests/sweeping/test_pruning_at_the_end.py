"""Trials that have ended, by themselves or by a kill: what they report last, and what a pruner makes of it."""

from pathlib import Path

import optuna
import pytest
from lightning.pytorch import Callback, Trainer

from lightsweep.sweeping import marks
from lightsweep.sweeping.pruning import PruningCallback
from lightsweep.sweeping.trial import KilledTrial, running_trial
from lightsweep.training import train
from tests.sweeping.pruned_fits import AtOnce, AtStep, Curve, Never, after, fit, loader

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:PatientPruner is experimental", "ignore:.*LeafSpec"
)


@pytest.mark.parametrize(
    "limit",
    [
        ["trainer.max_steps=2"],  # within the first epoch
        ["early_stopping.patience=1", "early_stopping.min_delta=9"],
    ],
)
def test_a_run_that_ends_before_its_last_epoch_is_not_pruned_at_its_end(compose, tmp_path, limit):
    step = 0 if "trainer.max_steps=2" in limit else 1
    callback = PruningCallback("val/acc")
    with running_trial(optuna.create_study(direction="maximize", pruner=AtStep(step)).ask()):
        result = train(
            compose("model=softmax_regression", "trainer.max_epochs=10", *limit), tmp_path, callbacks=[callback]
        )
        assert not callback.pruned
    assert (result.status, result.epochs < 10) == ("completed", True)


def test_early_stopping_that_min_epochs_holds_on_can_be_pruned():
    class Stop(Callback):
        def on_validation_end(self, trainer, pl_module):
            trainer.should_stop = True

    callback = PruningCallback("val/value")
    with running_trial(optuna.create_study(pruner=AtStep(1)).ask()):
        module = Curve([0.5] * 6)
        trainer = Trainer(
            max_epochs=6, min_epochs=4, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, callbacks=[Stop(), callback],
        )  # fmt: skip
        with pytest.raises(optuna.TrialPruned, match="pruned at step 1"):
            trainer.fit(module, loader(), loader())


def rungs(trial):
    attributes = trial.storage.get_trial(trial._trial_id).system_attrs
    return {name: value for name, value in attributes.items() if name.startswith("completed_rung")}


def halving_study():
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
    return optuna.create_study(direction="maximize", pruner=pruner)


def test_halving_judges_others_by_the_last_report_too():
    trial = halving_study().ask()
    with running_trial(trial):
        fit([0.25, 0.5, 0.75], PruningCallback("val/value"))
    assert rungs(trial) == {"completed_rung_0": 0.5, "completed_rung_1": 0.75}


def test_halving_judges_a_trial_that_goes_on_by_what_it_had_at_each_rung():
    trial = halving_study().ask()
    before = KilledTrial(Path("/gone"), {0: 0.125, 1: 0.25, 2: 0.5, 3: 0.75})
    with running_trial(trial, before):
        PruningCallback("val/value").on_train_start(after(epoch=4, step=16), None)
    assert rungs(trial) == {"completed_rung_0": 0.25, "completed_rung_1": 0.5}


@pytest.mark.parametrize(("epochs", "pruned_at", "status"), [(2, 1, "pruned"), (1, 1, "completed")])
def test_a_trial_that_was_killed_after_it_was_pruned_stays_pruned(compose, tmp_path, epochs, pruned_at, status):
    cfg = compose("model=softmax_regression", "trainer.max_epochs=4")
    with running_trial(optuna.create_study(pruner=AtStep(epochs - 1)).ask()):
        train(cfg, tmp_path, callbacks=[PruningCallback("val/acc")])
    before = KilledTrial(tmp_path, dict.fromkeys(range(pruned_at + 1), 0.5), pruned_at)

    trial, callback = optuna.create_study(pruner=Never()).ask(), PruningCallback("val/acc")
    with running_trial(trial, before):
        result = train(cfg, tmp_path, resume=True, callbacks=[callback])
        assert callback.pruned == (status == "pruned")

    stored = trial.storage.get_trial(trial._trial_id)
    assert (result.status, result.epochs) == (status, 2 if status == "pruned" else 4)
    assert list(stored.intermediate_values) == list(range(result.epochs))
    assert stored.user_attrs.get(marks.PRUNED_AT) == (pruned_at if status == "pruned" else None)


@pytest.mark.parametrize(
    ("trainer", "every", "pruned"),
    [
        (after(epoch=1), "epoch", True),
        (after(epoch=2), "epoch", False),
        (after(epoch=2), 1, True),
        (after(epoch=2, last_batch=True), 1, False),
        (after(epoch=1, last_batch=True), 1, True),
        (after(epoch=9, max_epochs=-1), "epoch", True),
        (after(epoch=0, max_steps=5), 1, False),
        (after(epoch=0, max_steps=6), 1, True),
    ],
)
def test_a_trial_that_is_trained_to_its_end_is_not_pruned(trainer, every, pruned):
    trial, callback = optuna.create_study(pruner=AtOnce()).ask(), PruningCallback("val/value", every)
    with running_trial(trial):
        callback.report(trainer, 0.5, 5)

    assert (callback.pruned, trainer.should_stop) == (pruned, pruned)
    assert trial.storage.get_trial(trial._trial_id).intermediate_values == {5: 0.5}
