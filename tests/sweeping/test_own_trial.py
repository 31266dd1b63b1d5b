"""A trial of lightsweep's own checks the sweep's direction against what its built model monitors."""

import optuna
import pytest

from lightsweep.errors import ConfigError
from lightsweep.reporting.runs import read_run
from lightsweep.sweeping.own_trial import OwnTrial
from lightsweep.sweeping.trial import running_trial
from lightsweep.training import train


@pytest.mark.parametrize(
    ("objectives", "directions", "message"),
    [
        (["monitor"], ["minimize"], None),
        (
            ["monitor"],
            ["maximize"],
            "must be minimize for monitor=val/loss but is maximize; if you gave none, give monitor=val/loss",
        ),
        (["seconds", "val/mae"], ["minimize", "minimize"], None),
        (["seconds", "val/mae"], ["minimize", "maximize"], "must be minimize for val/mae but is maximize$"),
        (["val/own"], ["maximize"], None),  # it does not say
    ],
)
def test_the_worst_is_not_looked_for(objectives, directions, message):
    trial = optuna.create_study(directions=directions).ask()
    callback = OwnTrial(objectives)
    modes = {"monitor": "min", "val/mae": "min", "val/own": None}

    with running_trial(trial):
        if message is None:
            callback.inform("val/loss", modes)
        else:
            with pytest.raises(ConfigError, match=message):
                callback.inform("val/loss", modes)

    assert callback.monitor == ("val/loss" if objectives == ["monitor"] else objectives[0])


@pytest.mark.parametrize(
    ("objective", "column"),
    [("monitor", "val/loss"), ("val/acc", "val/acc"), ("train/loss", "train/loss_epoch"), ("seconds", None)],
)
def test_a_pruner_sees_what_the_study_ranks(compose, tmp_path, objective, column):
    direction = "maximize" if objective == "val/acc" else "minimize"
    trial = optuna.create_study(direction=direction, pruner=optuna.pruners.NopPruner()).ask()

    with running_trial(trial):
        cfg = compose("model=softmax_regression", "monitor=val/loss", "trainer.max_epochs=2", "test=false")
        train(cfg, tmp_path, callbacks=[OwnTrial([objective], "val/loss")])

    values = [] if column is None else [value for _, value in read_run(tmp_path).curve(column, "epoch")]
    assert trial.storage.get_trial(trial._trial_id).intermediate_values == dict(enumerate(values))


def test_without_a_trial_nothing_is_checked():
    callback = OwnTrial(["monitor"])
    callback.inform("val/loss", {"monitor": "min"})

    assert callback.monitor == "val/loss"
