"""Trials of hosts that cannot be looked at: they live by their signs of life, or as long as their launcher."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from lightsweep.sweeping import marks
from lightsweep.sweeping.claim import claim, give_up, release_orphans
from lightsweep.sweeping.heartbeat import beating
from lightsweep.sweeping.job import _found, _killed
from lightsweep.sweeping.owner import Owner
from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.space import build_space
from lightsweep.sweeping.storage import open_storage, storage_spec
from lightsweep.sweeping.study import open_study, study_storage


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    space = build_space({"x": "interval(0,1)"}, None, [])
    node = {"_target_": "optuna.samplers.RandomSampler", "seed": 0}
    found = Plan("s", storage_spec(None, tmp_path), tmp_path, ("minimize",), node, None, space, 9,
                 remote_timeout_s=60.0, sweep="ours", host=Owner.here().host)  # fmt: skip
    open_study(found)
    return found


def abroad(plan: Plan, sweep: str, alive_s_ago: float | None):
    """A running trial of another host that gave its last sign of life so long ago; None: none since its start."""
    trial = claim(plan)
    plan.space.suggest(trial, {}.get)
    trial.set_user_attr(marks.OWNER, Owner("elsewhere pid:[1]", 7, "1", sweep).to_attribute())
    if alive_s_ago is not None:
        trial.set_user_attr(marks.ALIVE, time.time() - alive_s_ago)
    return trial


def conditions(plan: Plan) -> list[str]:
    storage, study_id = study_storage(plan)
    return [marks.condition(trial) for trial in storage.get_all_trials(study_id)]


def test_a_trial_of_another_host_is_run_again_only_when_its_signs_of_life_have_ceased(plan, monkeypatch):
    abroad(plan, "theirs", None)
    abroad(plan, "theirs", 5)
    assert release_orphans(plan) == 0

    later = time.time() + 100  # both have been silent for longer than the limit
    monkeypatch.setattr(time, "time", lambda: later)
    assert release_orphans(replace(plan, remote_timeout_s=None)) == 0
    assert release_orphans(replace(plan, remote_timeout_s=200.0)) == 0
    assert release_orphans(plan) == 2
    assert conditions(plan) == ["not_counted", "not_counted", "waiting", "waiting"]


@pytest.mark.parametrize("zone", ["UTC+5", "UTC-9"])
def test_a_trial_of_a_host_in_another_time_zone_lives_as_long_as_any(plan, monkeypatch, zone):
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        abroad(plan, "theirs", None)
    time.tzset()
    assert release_orphans(plan) == 0

    later = time.time() + 100
    monkeypatch.setattr(time, "time", lambda: later)
    assert release_orphans(plan) == 1


def test_of_two_hosts_that_claim_the_last_trial_at_once_the_later_withdraws(plan, monkeypatch):
    monkeypatch.setattr("lightsweep.sweeping.claim.local_file", lambda _: None)  # a server: no lock is shared
    monkeypatch.setattr("lightsweep.sweeping.claim.may_start", lambda *_: True)  # each looked before the other claimed
    plan = replace(plan, n_trials=1)

    assert claim(plan).number == 0
    assert claim(plan) is None
    assert conditions(plan) == ["running", "not_counted"]


def test_no_trial_starts_beyond_the_last_or_the_deadline(plan):
    assert claim(replace(plan, deadline=time.time())) is None
    assert claim(replace(plan, n_trials=1, deadline=time.time() + 60)).number == 0
    assert claim(replace(plan, n_trials=1)) is None, "one runs already"


def test_when_the_launcher_has_returned_its_own_jobs_are_gone_wherever_they_ran(plan):
    abroad(plan, "ours", 1)
    abroad(plan, "theirs", 1)

    assert release_orphans(plan) == 0
    assert release_orphans(plan, jobs_ended=True) == 1
    assert conditions(plan) == ["not_counted", "running", "waiting"]
    assert claim(plan).user_attrs[marks.RUN_AGAIN_OF] == 0


@pytest.mark.parametrize(
    ("changes", "beats"),
    [({}, False), ({"host": "another"}, True), ({"host": "another", "remote_timeout_s": None}, False)],
)
def test_signs_of_life_are_given_where_another_host_may_wait_for_them(plan, changes, beats):
    given: list[float] = []
    end = time.monotonic() + (10 if beats else 0.2)
    with beating(replace(plan, **{"remote_timeout_s": 0.04} | changes), lambda: given.append(1)):
        while time.monotonic() < end and len(given) < 3:
            time.sleep(0.01)
    assert bool(given) == beats


def test_a_sign_of_life_that_fails_is_tried_again(plan):
    given: list[int] = []

    def beat() -> None:
        given.append(1)
        if len(given) == 1:
            raise ConnectionError("server away")

    end = time.monotonic() + 10
    with beating(replace(plan, host="another", remote_timeout_s=0.04), beat):
        while time.monotonic() < end and len(given) < 3:
            time.sleep(0.01)
    assert len(given) >= 3


def test_only_a_killed_trial_is_gone_on_from(plan):
    killed, failed = abroad(plan, "ours", 1), abroad(plan, "ours", 1)
    killed.report(0.5, 0)
    for trial in (killed, failed):
        trial.set_user_attr(marks.FOLDER, f"/runs/{trial.number}")
    storage = open_storage(plan.storage)
    give_up(killed.study, storage, killed._trial_id, "gone")
    failed.set_user_attr(marks.NOT_COUNTED, "tried again")

    again = claim(plan)
    again.set_user_attr(marks.RUN_AGAIN_OF, killed.number)
    found = _killed(again, plan)
    assert (str(found.folder), found.reported) == ("/runs/0", {0: 0.5})
    again.set_user_attr(marks.RUN_AGAIN_OF, failed.number)
    assert _killed(again, plan) is None


def test_a_trials_folder_is_found_again_where_the_sweeps_was_moved_with_its_study(plan, tmp_path):
    (tmp_path / "a" / "3").mkdir(parents=True)
    (tmp_path / "3").mkdir()

    assert _found(Path("/before/mine/a/3"), plan) == tmp_path / "a" / "3"
    assert _found(Path("/before/mine/3"), plan) == tmp_path / "3"
    assert _found(Path("/before/mine/4"), plan) == Path("/before/mine/4")
    assert _found(tmp_path / "a", plan) == tmp_path / "a"
    elsewhere = replace(plan, storage="sqlite:////somewhere/study.db")
    assert _found(Path("/before/mine/3"), elsewhere) == Path("/before/mine/3")
