"""The pruning callback inside real fits: its decisions are Optuna's own, and the fit ends cleanly."""

from pathlib import Path
from unittest.mock import ANY

import optuna
import pytest
import torch
from hydra.core.utils import JobReturn, JobStatus

from lightsweep.errors import ConfigError
from lightsweep.reporting.runs import read_run
from lightsweep.sweeping import marks
from lightsweep.sweeping.pruning import PruningCallback
from lightsweep.sweeping.trial import KilledTrial, running_trial
from lightsweep.sweeping.trial_outcome import outcome_of_return
from lightsweep.training import train
from tests.sweeping.pruned_fits import AtOnce, AtStep, Never, after, fit

PRUNERS = {
    "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=2),
    "percentile": lambda: optuna.pruners.PercentilePruner(40.0, n_startup_trials=1, n_warmup_steps=1),
    "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=1, max_resource=6, reduction_factor=2),
    "successive_halving": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
    "patient": lambda: optuna.pruners.PatientPruner(None, patience=1),
    "threshold": lambda: optuna.pruners.ThresholdPruner(upper=0.8),
}
CURVES = [
    [0.9, 0.7, 0.5, 0.4, 0.3, 0.2],
    [0.8, 0.8, 0.8, 0.8, 0.8, 0.8],
    [0.9, 0.75, 0.6, 0.55, 0.5, 0.45],
    [0.7, 0.5, 0.3, 0.2, 0.1, 0.05],
    [0.95, 0.9, 0.85, 0.8, 0.75, 0.7],
    [0.6, float("nan"), 0.5, 0.5, 0.5, 0.5],
    [0.75, 0.6, 0.7, 0.9, 0.95, 1.0],
]
CURVES = [[float(torch.tensor(value)) for value in curve] for curve in CURVES]  # as `self.log` keeps them: float32


pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:PatientPruner is experimental", "ignore:.*LeafSpec"
)


@pytest.mark.parametrize("name", PRUNERS)
def test_decisions_equal_optunas_own(name):
    def pruned_steps(run) -> list[int | None]:
        study = optuna.create_study(pruner=PRUNERS[name](), study_name="same")  # Hyperband goes by the name
        found: list[int | None] = []
        for values in CURVES:
            trial = study.ask()
            at = run(trial, values)
            found.append(at)
            if at is None:
                study.tell(trial, values[-1])
            else:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        return found

    def by_hand(trial, values):
        for step, value in enumerate(values):
            trial.report(value, step)
            if trial.should_prune():
                return step
        return None

    def in_fit(trial, values):
        callback = PruningCallback("val/value")
        with running_trial(trial):
            _, trainer = fit(values, callback)
            assert callback.pruned == (marks.PRUNED_AT in trial.user_attrs)
        at = trial.user_attrs.get(marks.PRUNED_AT)
        assert trainer.current_epoch == (len(values) if at is None else at + 1)
        return at

    expected = pruned_steps(by_hand)
    assert pruned_steps(in_fit) == expected
    assert any(step is not None for step in expected)


def test_fit_of_a_pruned_trial_ends_cleanly():
    callback = PruningCallback("val/value")
    trial = optuna.create_study(pruner=AtOnce()).ask()
    with running_trial(trial):
        module, trainer = fit([0.5] * 4, callback)
    assert module.ended
    assert trainer.current_epoch == 1
    assert callback.pruned
    assert trial.user_attrs[marks.PRUNED_AT] == 0


def test_a_pruned_run_says_why_as_its_trial_does(compose, tmp_path):
    callback = PruningCallback("val/acc")
    trial = optuna.create_study(pruner=AtOnce()).ask()
    with running_trial(trial):
        result = train(compose("model=softmax_regression", "trainer.max_epochs=2"), tmp_path, callbacks=[callback])
        with pytest.raises(optuna.TrialPruned) as ended:
            callback.raise_if_pruned()
    assert (result.status, result.reason) == ("pruned", str(ended.value)) == ("pruned", "pruned at step 0")
    assert read_run(tmp_path).reason == result.reason


def test_a_trial_that_was_pruned_at_its_first_step_is_pruned_whatever_its_task_returned():
    outcome = outcome_of_return(JobReturn(_return_value=0.5, status=JobStatus.COMPLETED), 1, pruned_at=0)

    assert (outcome.state, outcome.reason) == (optuna.trial.TrialState.PRUNED, "pruned at step 0")


def test_a_step_is_reported_once():
    trial, trainer = optuna.create_study(pruner=Never()).ask(), after(epoch=0)
    callback = PruningCallback("val/value")
    with running_trial(trial):
        for step, value in ((0, 0.5), (0, 0.25), (1, 0.125)):
            callback.report(trainer, value, step)
    assert trial.storage.get_trial(trial._trial_id).intermediate_values == {0: 0.5, 1: 0.125}


@pytest.mark.parametrize(("every", "expected"), [("epoch", [0, 1]), (2, [0, 1, 2, 3])])
def test_what_a_killed_trial_reported_is_reported_again_as_far_as_its_checkpoint(every, expected):
    trial = optuna.create_study(pruner=Never()).ask()
    trainer = after(epoch=2, step=3)  # two epochs are whole, three steps are made
    before = KilledTrial(Path("/gone"), dict.fromkeys(range(5), 0.5))
    with running_trial(trial, before):
        PruningCallback("val/value", every).on_train_start(trainer, None)
    assert list(trial.storage.get_trial(trial._trial_id).intermediate_values) == expected


@pytest.mark.parametrize(
    ("callback", "settings", "reported"),
    [
        (("val/value",), {"num_sanity_val_steps": 1}, {0: 0.5, 1: 0.25, 2: 0.125}),  # nothing by the sanity check
        (("val/value", 8), {}, {8: 0.25}),  # when it is fresh
        (("train_value", 3), {}, dict.fromkeys([3, 6, 9, 12], ANY)),  # optimizer steps; four batches an epoch
    ],
)
def test_a_metric_is_reported_when_it_is_due(callback, settings, reported):
    trial = optuna.create_study(pruner=Never()).ask()
    with running_trial(trial):
        fit([0.5, 0.25, 0.125], PruningCallback(*callback), **settings)
    assert trial.storage.get_trial(trial._trial_id).intermediate_values == reported


@pytest.mark.parametrize("monitor", ["val/value", "train_value"])
def test_the_last_of_reports_by_steps_prunes_nothing(monitor):
    callback = PruningCallback(monitor, every=4)
    with running_trial(optuna.create_study(pruner=AtStep(12)).ask()):
        fit([0.5, 0.25, 0.125], callback)  # four batches an epoch
        assert not callback.pruned


@pytest.mark.parametrize("val_size", [50, 0])
def test_a_training_metric_of_an_epoch_is_reported_at_its_end(compose, tmp_path, val_size):
    trial = optuna.create_study(pruner=Never()).ask()
    overrides = ("model=softmax_regression", "monitor=train/loss", f"data.val_size={val_size}", "trainer.max_epochs=3")
    with running_trial(trial):
        train(compose(*overrides), tmp_path, callbacks=[PruningCallback("train/loss")])
    losses = [value for _, value in read_run(tmp_path).curve("train/loss_epoch", "epoch")]
    assert trial.storage.get_trial(trial._trial_id).intermediate_values == dict(enumerate(losses))


def test_a_training_metric_can_prune(compose, tmp_path):
    trial, callback = optuna.create_study(pruner=AtOnce()).ask(), PruningCallback("train/loss")
    overrides = ("model=softmax_regression", "monitor=train/loss", "trainer.max_epochs=3")
    with running_trial(trial):
        result = train(compose(*overrides), tmp_path, callbacks=[callback])
    assert (result.status, result.epochs) == ("pruned", 1)


def test_min_epochs_cannot_hold_a_pruned_trial():
    trial = optuna.create_study(pruner=AtOnce()).ask()
    with running_trial(trial), pytest.raises(optuna.TrialPruned, match="pruned at step 0, held on by min_epochs"):
        fit([0.5] * 4, PruningCallback("val/value"), min_epochs=3)


def test_without_a_trial_nothing_happens():
    callback = PruningCallback("val/value")
    _, trainer = fit([0.5] * 3, callback)
    assert trainer.current_epoch == 3
    assert not callback.pruned


def test_several_directions_are_not_pruned():
    trial = optuna.create_study(directions=["minimize", "minimize"], pruner=AtOnce()).ask()
    with running_trial(trial):
        _, trainer = fit([0.5] * 3, PruningCallback("val/value"))
    assert trainer.current_epoch == 3


def test_metric_that_nobody_logs_is_told_with_the_nearest():
    trial = optuna.create_study(pruner=Never()).ask()
    message = r"pruning monitors val/valeu, which nobody logs \(logged: .+\); did you mean 'val/value'\?"
    with running_trial(trial), pytest.raises(ConfigError, match=message):
        fit([0.5], PruningCallback("val/valeu"))


def test_spawned_process_without_the_trial_is_told(monkeypatch):
    monkeypatch.setenv("LIGHTSWEEP_TRIAL", "3")
    with pytest.raises(ConfigError, match="pruning cannot reach the trial from a spawned process"):
        fit([0.5], PruningCallback("val/value"))


@pytest.mark.parametrize("every", [0, "step", True, 1.5])
def test_every_is_checked(every):
    with pytest.raises(ConfigError, match="must be epoch or a number of steps of at least 1"):
        PruningCallback("val/value", every)
