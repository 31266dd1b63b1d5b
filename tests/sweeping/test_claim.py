"""When a sweep starts a further trial, and what its draws are seeded by."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra.errors import HydraException
from optuna.study import Study
from optuna.trial import TrialState

from lightsweep.launching.run_job import NoMore
from lightsweep.paths import RunPaths
from lightsweep.sweeping import marks
from lightsweep.sweeping.claim import claim, give_up, is_hopeless, release_orphans
from lightsweep.sweeping.folder import folder_failure
from lightsweep.sweeping.job import TrialJob, _killed
from lightsweep.sweeping.owner import Owner
from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.results import trials_table
from lightsweep.sweeping.rounds import _wanted
from lightsweep.sweeping.space import build_space
from lightsweep.sweeping.storage import _open_once, storage_spec
from lightsweep.sweeping.study import open_study
from lightsweep.sweeping.summary import summary_lines
from lightsweep.sweeping.task_run import work_off
from lightsweep.sweeping.trial import KilledTrial
from lightsweep.sweeping.trial_outcome import TrialOutcome


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    space = build_space({"x": "interval(0,1)"}, None, [])
    node = {"_target_": "optuna.samplers.RandomSampler", "seed": 0}
    return Plan("s", storage_spec(None, tmp_path), tmp_path, ("minimize",), node, None, space, 9)


@pytest.mark.parametrize(
    ("changes", "exhausted", "wanted"),
    [({}, False, 9), ({"deadline": 1.0}, False, 0), ({"n_trials": 0}, False, 0), ({}, True, 0)],
)
def test_a_sweep_that_may_start_no_trial_hands_out_no_jobs_and_a_job_that_is_out_says_so(
    plan, changes, exhausted, wanted
):
    study, plan = open_study(plan), replace(plan, **changes)
    study.set_user_attr(marks.STUDY_EXHAUSTED, exhausted)
    assert _wanted(study, plan) == wanted
    if not wanted:
        assert TrialJob(plan, task=None)(None) == NoMore()


@pytest.mark.parametrize("folder_comes_back", [False, True])
def test_a_job_of_a_sweep_that_was_moved_wants_no_more_and_says_why(plan, tmp_path, folder_comes_back):
    plan = replace(plan, storage=storage_spec(None, tmp_path / "sweep"), folder=tmp_path / "sweep")
    plan.folder.mkdir()
    study = open_study(plan)
    _open_once.cache_clear()  # a job is a process of its own
    plan.folder.rename(tmp_path / "moved")
    if folder_comes_back:
        plan.folder.mkdir()

    no_more = TrialJob(plan, task=None)(None)

    assert isinstance(no_more.failure, FileNotFoundError)
    assert folder_failure(no_more.failure, plan.folder)[1]
    with pytest.raises(FileNotFoundError, match=str(plan.folder)):
        _wanted(study, plan)


@pytest.mark.parametrize("step", ["claim", "run"])
def test_a_job_whose_study_finds_a_full_disk_wants_no_more_and_says_why(step):
    full = OSError(28, "No space left on device")

    def fail(*_):
        raise RuntimeError("as Optuna raises it") from full

    no_more = work_off(*((fail, fail) if step == "claim" else (object, fail)), None)

    assert no_more == NoMore(full)


@pytest.mark.parametrize(
    ("rate", "n_trials", "complete", "failed", "hopeless"),
    [
        (0.5, 20, 0, 2, False),  # of the first five
        (0.5, 20, 0, 3, True),
        (0.5, 20, 5, 5, False),
        (0.5, 20, 4, 6, True),
        (0.5, 2, 1, 1, False),
        (0.5, 2, 0, 2, True),
        (0.29, 100, 71, 29, False),
        (0.29, 100, 70, 30, True),
        (0.0, 20, 0, 0, False),
        (0.0, 20, 3, 0, False),
        (0.0, 20, 3, 1, True),
        (1.0, 20, 0, 20, False),
    ],
)
def test_a_sweep_is_hopeless_when_more_than_a_share_of_its_trials_failed(
    plan, rate, n_trials, complete, failed, hopeless
):
    plan = replace(plan, max_failure_rate=rate, n_trials=n_trials)
    assert is_hopeless(plan, marks.TrialCounts(complete=complete, failed=failed)) is hopeless


def test_settings_that_may_lose_no_process_name_none_before_it(plan):
    study, plan = open_study(plan), replace(plan, max_kills=1)
    TrialJob(plan, task=None)._tell(claim(plan), TrialOutcome(TrialState.FAIL, reason="rank 1 was killed", lost=True))
    assert study.trials[0].user_attrs[marks.REASON] == "rank 1 was killed"


def test_a_trial_that_lost_a_rank_is_run_again_until_its_settings_have_lost_one_too_often(plan):
    study, plan = open_study(plan), replace(plan, max_kills=2)
    died = TrialOutcome(TrialState.FAIL, reason="rank 1 was killed by signal 9 (SIGKILL)", lost=True)
    for _ in range(2):
        trial = claim(plan)
        plan.space.suggest(trial, {}.get)
        TrialJob(plan, task=None)._tell(trial, died)
    first, second = study.trials
    assert [marks.condition(trial) for trial in (first, second)] == ["not_counted", "failed"]
    assert second.params == first.params
    assert second.user_attrs[marks.REASON] == f"{died.reason}, as 1 before it with these settings"


@pytest.mark.parametrize(
    ("error", "words"),
    [(HydraException("no such key"), ["failed"]), (OSError("no more files"), ["not_counted", "waiting"])],
)
def test_settings_that_do_not_compose_are_not_tried_again_as_they_never_will(plan, error, words):
    def compose(*_):
        raise error

    study, plan = open_study(plan), replace(plan, retry_failed=1)
    trial, job = claim(plan), TrialJob(plan, task=SimpleNamespace(compose=compose))
    job._tell(trial, job._outcome(trial))
    assert [marks.condition(trial) for trial in study.trials] == words


def drawn(trial, plan):
    plan.space.suggest(trial, {}.get)
    return trial.params["x"]


@pytest.mark.parametrize("has_drawn", [True, False])
def test_a_seeded_sweep_that_lost_a_trial_draws_as_one_that_did_not(plan, has_drawn):
    undisturbed = replace(plan, study_name="undisturbed")
    study, _ = open_study(plan), open_study(undisturbed)
    first = drawn(claim(plan), plan)
    lost = claim(plan)
    values = [first, drawn(lost, plan)] if has_drawn else [first]
    give_up(study, lost.storage, lost._trial_id, "its process is gone")
    values += [drawn(claim(plan), plan) for _ in range(3)][has_drawn:]  # the first is a copy, if there is one
    assert values == [drawn(claim(undisturbed), plan) for _ in range(len(values))]


@pytest.mark.parametrize("name", ["NSGAIISampler", "NSGAIIISampler"])
def test_a_trial_that_is_run_again_counts_in_its_generation(plan, name):
    plan = replace(plan, sampler={"_target_": f"optuna.samplers.{name}", "seed": 0, "population_size": 3})
    study = open_study(plan)
    for _ in range(10):
        trial = claim(plan)
        x = drawn(trial, plan)
        if trial.number == 4:
            give_up(study, trial.storage, trial._trial_id, "its process is gone")
        else:
            trial.study.tell(trial, x)
    complete = study.get_trials(states=[TrialState.COMPLETE])
    assert [trial.system_attrs.get(f"{name}:generation") for trial in complete] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_no_two_trials_of_a_seeded_sweep_draw_alike_though_one_is_lost_before_it_drew(plan):
    study = open_study(plan)
    lost, other = claim(plan), claim(plan)
    values = [drawn(other, plan)]
    give_up(study, lost.storage, lost._trial_id, "its process is gone")
    values += [drawn(claim(plan), plan) for _ in range(3)]
    assert len(set(values)) == 4


def test_what_a_trial_reported_outlives_two_kills_of_which_the_second_came_before_it_was_repeated(plan):
    study = open_study(plan)
    for number, values in enumerate([{0: 0.5, 1: 0.25}, {}]):
        trial = claim(plan)
        trial.suggest_float("x", 0, 1)
        trial.set_user_attr(marks.FOLDER, str(plan.folder / str(number)))
        for step, value in values.items():
            trial.report(value, step)
        give_up(trial.study, trial.storage, trial._trial_id, "gone")

    killed = _killed(claim(plan), plan)

    assert killed == KilledTrial(plan.folder / "1", {0: 0.5, 1: 0.25})
    assert [marks.condition(trial) for trial in study.trials] == ["not_counted", "not_counted", "running"]


def test_a_trial_goes_on_from_the_newest_checkpoint_of_killed_ones_and_knows_where_one_had_been_pruned(plan):
    open_study(plan)
    for number in range(3):
        trial = claim(plan)
        trial.suggest_float("x", 0, 1)
        run = RunPaths(plan.folder / str(number))
        trial.set_user_attr(marks.FOLDER, str(run.folder))
        if number == 0:
            trial.report(0.5, 3)
            trial.set_user_attr(marks.PRUNED_AT, 3)
        if number < 2:
            run.checkpoints.mkdir(parents=True)
            run.last.touch()
        give_up(trial.study, trial.storage, trial._trial_id, "gone")

    assert _killed(claim(plan), plan) == KilledTrial(plan.folder / "1", {3: 0.5}, pruned_at=3)


def test_a_trial_whose_process_was_found_gone_has_no_duration_for_nobody_saw_its_end(plan):
    study, dead = open_study(plan), replace(Owner.here(), pid=0).to_attribute()
    ended, gone = claim(plan), claim(plan)
    gone.set_user_attr(marks.OWNER, dead)
    ended.study.tell(ended, 0.5)

    assert release_orphans(plan) == 1

    head, *rows = trials_table(study.trials, plan)
    found = {row[head.index("state")]: row[head.index("duration_s")] for row in rows}
    assert found["complete"] >= 0
    assert found["killed"] is None


def test_no_new_trial_takes_the_place_of_a_failed_one_that_is_tried_again(plan, monkeypatch):
    study, plan = open_study(plan), replace(plan, n_trials=1, retry_failed=1)
    trial = claim(plan)
    x, tell = drawn(trial, plan), trial.study.tell
    others: list = []

    def tell_while_another_claims(*given):
        tell(*given)
        others.append(claim(plan))

    monkeypatch.setattr(trial.study, "tell", tell_while_another_claims)
    TrialJob(plan, task=None)._tell(trial, TrialOutcome(TrialState.FAIL, reason="by itself"))

    assert [drawn(other, plan) for other in others] == [x]
    assert [marks.condition(trial) for trial in study.trials] == ["not_counted", "running"]


@pytest.mark.parametrize(("error", "is_bug"), [(ConnectionError("no route"), False), (ValueError("no sense"), True)])
def test_a_job_that_fails_beside_its_task_says_so_itself(caplog, error, is_bug):
    def run(_):
        raise error

    with pytest.raises(type(error)):
        work_off(lambda: 1, run, None)
    assert f"a job failed beside its task: {type(error).__name__}: " in caplog.text
    assert ("Traceback" in caplog.text) == is_bug


@pytest.mark.parametrize(("stops", "exhausted"), [(True, True), (False, False)])
def test_a_sampler_that_fails_to_learn_of_a_trial_is_told_and_has_not_ended_the_space(
    plan, monkeypatch, caplog, stops, exhausted
):
    def learn(self, study, *_):
        if stops:
            study.stop()
        raise RuntimeError("a mistake of the sampler's own")

    study, trial = open_study(plan), claim(plan)
    monkeypatch.setattr("optuna.samplers.RandomSampler.after_trial", learn)
    TrialJob(plan, task=None)._tell(trial, TrialOutcome(TrialState.COMPLETE, (1.0,)))

    assert study.trials[0].value == 1.0
    assert study.user_attrs.get(marks.STUDY_EXHAUSTED, False) == exhausted
    assert ("a mistake of the sampler's own" in caplog.text) != exhausted


def test_a_trial_that_another_program_runs_is_left_alone_and_counts_once_it_is_finished(plan):
    study = open_study(plan)
    foreign = study.ask()  # as a script with Optuna alone does

    ours = claim(plan)
    assert release_orphans(plan, jobs_ended=True) == 0
    assert (ours.number, _wanted(study, plan)) == (1, 8)
    assert "1 trial begun by another program" in "\n".join(summary_lines(study, plan))

    study.tell(foreign, 0.5)
    assert _wanted(study, plan) == 7


@pytest.mark.parametrize("is_queued", [True, False])
@pytest.mark.parametrize("writes", range(4))
def test_a_claim_that_is_cut_off_leaves_no_trial_running_without_an_owner(plan, monkeypatch, is_queued, writes):
    study, left = open_study(plan), iter(range(writes))
    if is_queued:
        study.enqueue_trial({"x": 0.5})
    storage_type = type(study._storage)
    for name in ("create_new_trial", "set_trial_user_attr", "set_trial_state_values"):
        write = getattr(storage_type, name)

        def cut(*args, write=write, **kwargs):
            if next(left, None) is None:
                raise KeyboardInterrupt
            return write(*args, **kwargs)

        monkeypatch.setattr(storage_type, name, cut)

    with suppress(KeyboardInterrupt):
        claim(plan)

    running = study.get_trials(states=[TrialState.RUNNING])
    assert all(marks.OWNER in trial.user_attrs for trial in running)


def test_a_queued_trial_is_owned_by_who_started_it_whoever_noted_itself_before(plan, monkeypatch):
    study, pop = open_study(plan), Study._pop_waiting_trial_id
    study.enqueue_trial({"x": 0.5})

    def popped(self):
        elsewhere = Owner("elsewhere", 1, "s").to_attribute()
        self._storage.set_trial_user_attr(study.trials[0]._trial_id, marks.OWNER, elsewhere)
        return pop(self)

    monkeypatch.setattr(Study, "_pop_waiting_trial_id", popped)
    claim(plan)

    assert study.trials[0].user_attrs[marks.OWNER] == Owner.here(plan.sweep).to_attribute()
