"""Several worker processes on one sweep, under a launcher that gives each job a process."""

import shutil
from pathlib import Path

import pytest
from optuna.trial import TrialState

from lightsweep.sweeping import marks

SPACE = ("optimizer.lr=tag(log,interval(1e-4,1))", "x=interval(-2,2)")
POOL = ("hydra/launcher=pool",)


@pytest.fixture
def pool(app):
    plugins = app.folder / "hydra_plugins"
    plugins.mkdir()
    shutil.copy(Path(__file__).with_name("pool_launcher.py"), plugins)
    return app


def test_freed_slot_starts_the_next_trial_before_a_slow_one_ends(pool, study_of):
    """Trial 0 waits for the start of trial 5: a sweeper that waits for a whole batch would never come there."""
    task = (pool.folder / "app.py").read_text()
    wait = """
    from hydra.core.hydra_config import HydraConfig
    number = HydraConfig.get().job.num
    last = pathlib.Path(HydraConfig.get().sweep.dir) / "5" / "begun"
    while number == 0 and not last.exists():
        time.sleep(0.02)
    if number == 5:  # of two workers one is at trial 0, so the other has told the study of trial 4
        last.touch()
"""
    (pool.folder / "app.py").write_text(task.replace("    time.sleep(cfg.sleep_s)\n", wait))
    pool.sweep(*POOL, *SPACE, "hydra.sweeper.n_trials=6")
    trials = study_of(pool.sweep_dir).trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 6
    assert trials[0].datetime_complete > trials[4].datetime_complete


def test_trials_of_a_seeded_sweep_differ_between_workers(pool, study_of):
    pool.sweep(*POOL, *SPACE, "hydra.sweeper.n_trials=8", "hydra.sweeper.sampler.seed=1", "sleep_s=0.05")
    trials = study_of(pool.sweep_dir).trials
    assert len({trial.params["x"] for trial in trials}) == 8
    assert len({trial.user_attrs[marks.OWNER]["pid"] for trial in trials}) == 8


def test_killed_worker_costs_its_own_trial_which_is_run_again(pool, study_of):
    pool.sweep(*POOL, *SPACE, "hydra.sweeper.n_trials=5", "fail=kill", "sleep_s=0.05")
    trials = study_of(pool.sweep_dir).trials
    killed = [trial for trial in trials if marks.condition(trial) == "not_counted"]
    assert marks.count(trials).complete == 5
    assert 1 <= len(killed) <= 2  # two workers may have come before the token
    for trial in killed:
        again = [other for other in trials if other.user_attrs.get(marks.RUN_AGAIN_OF) == trial.number]
        assert [other.params for other in again] == [trial.params]


def test_settings_that_kill_every_process_are_given_up(pool, study_of):
    pool.sweep(*POOL, *SPACE, "hydra.sweeper.n_trials=1", "fail=kill always", "hydra.sweeper.max_kills=2",
               "hydra.sweeper.max_failure_rate=1")  # fmt: skip
    trials = study_of(pool.sweep_dir).trials
    assert [marks.condition(trial) for trial in trials] == ["not_counted", "failed"]
    assert "is gone, as 1 before it with these settings" in trials[1].user_attrs[marks.REASON]


def test_settings_that_interrupt_every_job_are_given_up_too(pool, study_of):
    task = (pool.folder / "app.py").read_text()
    always = "    if cfg.fail == 'interrupt':\n        raise KeyboardInterrupt"
    (pool.folder / "app.py").write_text(task.replace("        raise KeyboardInterrupt", always))
    pool.sweep(*POOL, *SPACE, "hydra.sweeper.n_trials=1", "fail=interrupt", "hydra.sweeper.max_kills=2",
               "hydra.sweeper.max_failure_rate=1")  # fmt: skip
    trials = study_of(pool.sweep_dir).trials
    assert [marks.condition(trial) for trial in trials] == ["not_counted", "not_counted", "failed"]
    assert trials[2].params == trials[0].params
    assert trials[2].user_attrs[marks.REASON] == "lost its process 2 times before with these settings"


@pytest.mark.slow
def test_n_jobs_limits_the_processes_and_trials_per_job_shares_them(pool, study_of):
    pool.sweep(*POOL, *SPACE, "hydra.sweeper.n_trials=6", "hydra.sweeper.n_jobs=1")
    assert len({trial.user_attrs[marks.OWNER]["pid"] for trial in study_of(pool.sweep_dir).trials}) == 1
    pool.sweep_dir = pool.folder / "shared"
    pool.sweep(*POOL, *SPACE, "hydra.sweeper.n_trials=6", "hydra.sweeper.trials_per_job=3", "hydra.launcher.slots=1")
    assert len({trial.user_attrs[marks.OWNER]["pid"] for trial in study_of(pool.sweep_dir).trials}) == 2


def test_grid_points_are_not_doubled_by_workers(pool, study_of):
    pool.sweep(*POOL, "n=range(0,9)", "hydra/sweeper/sampler=grid", "hydra.sweeper.n_trials=99")
    assert sorted(trial.params["n"] for trial in study_of(pool.sweep_dir).trials) == list(range(9))


@pytest.mark.slow
def test_sqlite_holds_a_sweep_of_several_workers(pool):
    import optuna

    url = f"sqlite:///{pool.folder}/study.db"
    pool.sweep(*POOL, *SPACE, "hydra.sweeper.n_trials=4", f"hydra.sweeper.storage={url}", "hydra.sweeper.study_name=s")
    trials = optuna.load_study(study_name="s", storage=url).trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 4
