"""A trial of lightsweep's own checks the sweep's direction against what its built model monitors."""

import optuna
import pytest

from lightsweep.errors import ConfigError
from lightsweep.sweeping.own_trial import OwnTrial
from lightsweep.sweeping.trial import running_trial


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

    assert callback.monitor == "val/loss"


def test_without_a_trial_nothing_is_checked():
    callback = OwnTrial(["monitor"])
    callback.inform("val/loss", {"monitor": "min"})

    assert callback.monitor == "val/loss"
