"""The settings that a sweep tries first: which of them its study has already."""

import pytest

from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.space import build_space
from lightsweep.sweeping.storage import storage_spec
from lightsweep.sweeping.study import enqueue, open_study


@pytest.mark.parametrize(
    ("queued", "known"),
    [
        ([{"n": 100_000}, {"n": 100_001}], 2),  # to Optuna one, as they differ by less than 1 in 100,000
        ([{"x": 0.3}, {"x": 0.1 + 0.2}, {"x": 1}, {"x": 1.0}], 2),
        ([{"kind": "1"}, {"kind": 1}], 2),
        ([{"n": 1}, {"n": 1, "x": 0.5}], 2),
    ],
)
def test_settings_are_enqueued_once_and_those_that_differ_at_all_each(tmp_path, queued, known, monkeypatch):
    space = build_space({"n": "range(0,200000)", "x": "interval(0,1)", "kind": "choice('1',1)"}, None, [])
    node = {"_target_": "optuna.samplers.RandomSampler"}
    plan = Plan("s", storage_spec(None, tmp_path), tmp_path, ("minimize",), node, None, space, 9)
    study = open_study(plan)
    for _ in range(2):  # a sweep that goes on
        enqueue(study, plan, queued)
        assert len(study.trials) == known
    read = []
    monkeypatch.setattr(study, "get_trials", lambda **_: read.append(1) or study._storage.get_all_trials(0))
    enqueue(study, plan, queued * 9)
    assert len(read) == 1  # not once for each: of 500 settings and 10,000 trials that took ten minutes
