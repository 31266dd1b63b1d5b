"""Sweeps of a small application, each in a process of its own: counts, resuming, files, exit codes."""

import csv
import logging
import subprocess
import sys
from contextlib import nullcontext

import pytest
import yaml
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf
from optuna.trial import TrialState

from lightsweep.launching import JobDied
from lightsweep.reporting.saved_study import open_saved_study
from lightsweep.sweeping import marks
from lightsweep.sweeping import rounds as rounds_module
from lightsweep.sweeping.crew import quiet
from lightsweep.sweeping.rounds import run_trials
from lightsweep.sweeping.sweep import warmed

SPACE = ("optimizer.lr=tag(log,interval(1e-4,1))", "x=interval(-2,2)")


def test_trials_folders_and_job_numbers_agree(app, study_of):
    app.sweep(*SPACE, "hydra.sweeper.n_trials=3")
    trials = study_of(app.sweep_dir).trials
    assert [trial.number for trial in trials] == [0, 1, 2]
    for trial in trials:
        folder = app.sweep_dir / str(trial.number) / ".hydra"
        assert yaml.safe_load((folder / "hydra.yaml").read_text())["hydra"]["job"]["num"] == trial.number
        assert yaml.safe_load((folder / "config.yaml").read_text())["x"] == trial.params["x"]


def test_resumed_study_goes_on_to_exactly_n_trials(app, study_of):
    app.sweep(*SPACE, "hydra.sweeper.n_trials=2")
    app.sweep(*SPACE, "hydra.sweeper.n_trials=5")
    app.sweep(*SPACE, "hydra.sweeper.n_trials=5")
    assert [trial.state for trial in study_of(app.sweep_dir).trials] == [TrialState.COMPLETE] * 5


def test_seeded_sweep_repeats_and_draws_other_values_in_each_trial(app, study_of):
    values = []
    for name in ("one", "two"):
        app.sweep_dir = app.folder / name
        app.sweep(
            *SPACE,
            "hydra.sweeper.n_trials=5",
            "hydra.sweeper.sampler.seed=7",
            "hydra.sweeper.sampler.n_startup_trials=3",
        )
        values.append([trial.params["x"] for trial in study_of(app.sweep_dir).trials])
    assert values[0] == values[1]
    assert len(set(values[0])) == 5


def test_two_sweeps_on_one_study_do_not_overshoot(app, study_of):
    settings = (*SPACE, "hydra.sweeper.n_trials=9", "sleep_s=0.1")
    both = [app.start(*settings), app.start(*settings)]
    for process in both:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, out + err
    trials = study_of(app.sweep_dir).trials
    assert len(trials) == 9
    assert all(trial.state == TrialState.COMPLETE for trial in trials)
    assert len({trial.user_attrs[marks.OWNER]["pid"] for trial in trials}) == 2


def test_files_hold_the_best_trial_and_best_yaml_replays_it(app, study_of):
    app.sweep(*SPACE, "optimizer=sgd,adam", "widths=choice([64],[128,64])", "hydra.sweeper.n_trials=4")
    best = study_of(app.sweep_dir).best_trial
    rows = list(csv.DictReader((app.sweep_dir / "trials.csv").read_text().splitlines()))
    assert [row["number"] for row in rows] == ["0", "1", "2", "3"]
    assert float(rows[best.number]["value"]) == best.value
    results = yaml.safe_load((app.sweep_dir / "optimization_results.yaml").read_text())
    assert results["name"] == "optuna"
    assert results["best_value"] == best.value
    (app.folder / "conf" / "experiment" / "best.yaml").write_text((app.sweep_dir / "best.yaml").read_text())
    shown = app.sweep("+experiment=best", "--cfg=job", sweep=False).stdout
    ran = yaml.safe_load((app.sweep_dir / str(best.number) / ".hydra" / "config.yaml").read_text())
    assert yaml.safe_load(shown) == ran
    assert not (app.sweep_dir / "study_copy.journal").exists(), "the study lies beside it"


def test_study_that_is_kept_elsewhere_leaves_a_copy_of_which_reports_are_made(app):
    storage = "hydra.sweeper.storage=sqlite:///elsewhere.db"
    settings = ("hydra.sweeper.n_trials=5", "hydra.sweeper.max_failure_rate=1", "hydra.sweeper.study_name=far")
    app.sweep(*SPACE, "fail=high", storage, *settings)
    original = open_saved_study(app.sweep_dir)
    (app.folder / "elsewhere.db").unlink()
    copy = open_saved_study(app.sweep_dir)
    assert (copy.study_name, copy.directions, copy.user_attrs) == ("far", original.directions, original.user_attrs)
    for one, other in zip(original.trials, copy.trials, strict=True):
        assert (one.number, one.state, one.values, one.params) == (
            other.number,
            other.state,
            other.values,
            other.params,
        )
        assert (one.user_attrs, one.intermediate_values) == (other.user_attrs, other.intermediate_values)
        assert (one.datetime_start, one.datetime_complete) == (other.datetime_start, other.datetime_complete)


@pytest.mark.parametrize(
    ("storage", "wanted"),
    [(None, False), ("journal:a", False), ("sqlite:///a.db", True), ("mysql://h/d", True), ("grpc://h:1", False)],
)
@pytest.mark.parametrize("launcher", [{"preload": ["torch"]}, {"submitit_folder": "a"}])
def test_what_opens_a_database_is_imported_once_where_jobs_are_forked(launcher, storage, wanted):
    config = OmegaConf.create({"hydra": {"sweeper": {"storage": storage}, "launcher": launcher}})
    added = ["lightsweep.sweeping.warm_database"] if wanted else []
    expected = {"preload": ["torch", *added]} if "preload" in launcher else launcher
    assert warmed(config).hydra.launcher == expected


def test_warm_server_leaves_a_job_nothing_to_import_for_a_database(tmp_path):
    program = (
        "import sys, lightsweep.sweeping.job, lightsweep.sweeping.storage, lightsweep.sweeping.warm_database\n"
        "before = set(sys.modules)\n"
        f"lightsweep.sweeping.storage.open_storage('sqlite:///{tmp_path}/a.db', for_sweep=True)\n"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "[]\n"


def test_failed_trials_keep_their_reason_and_the_sweep_goes_on(app, study_of):
    run = app.sweep(*SPACE, "fail=high", "hydra.sweeper.n_trials=8", "hydra.sweeper.sampler.seed=1",
                    "hydra.sweeper.max_failure_rate=1", "hydra/sweeper/sampler=random")  # fmt: skip
    trials = study_of(app.sweep_dir).trials
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    assert len(trials) == 8
    assert 0 < len(failed) < 8
    assert all(trial.user_attrs[marks.REASON] == "RuntimeError: x is bad" for trial in failed)
    assert "Traceback" in (app.sweep_dir / str(failed[0].number) / "error.txt").read_text()
    assert "RuntimeError: x is bad" in run.stdout


def test_hopeless_sweep_ends_with_code_1_and_a_table_of_reasons(app, study_of):
    run = app.sweep(*SPACE, "fail=always", "hydra.sweeper.n_trials=20", code=1)
    assert len(study_of(app.sweep_dir).trials) == 3  # more than half of the first five
    error = app.sweep_dir / "0" / "error.txt"
    reasons = "why trials failed:\n    3 × RuntimeError: x is never good\n"
    assert run.stdout.endswith(f"{reasons}the error of trial 0: {error}\n")
    assert "Traceback" in error.read_text()
    assert run.stderr.endswith("trials failed, more than `hydra.sweeper.max_failure_rate` 0.5 allows\n")
    assert "Traceback" not in run.stderr


def test_a_sweep_that_goes_on_though_all_its_trials_fail_says_why_too(app):
    run = app.sweep(*SPACE, "fail=always", "hydra.sweeper.n_trials=2", "hydra.sweeper.max_failure_rate=1")
    error = app.sweep_dir / "0" / "error.txt"
    assert run.stdout.endswith(f"    2 × RuntimeError: x is never good\nthe error of trial 0: {error}\n")


def test_failure_rate_zero_ends_at_the_first_failure(app, study_of):
    app.sweep(*SPACE, "fail=exit", "hydra.sweeper.max_failure_rate=0", code=1)
    trial = study_of(app.sweep_dir).trials[0]
    assert trial.user_attrs[marks.REASON] == "exited with code 3"


def test_a_task_that_is_cancelled_fails_its_trial_alone(app, study_of):
    task = (app.folder / "app.py").read_text()
    (app.folder / "app.py").write_text(task.replace("sys.exit(3)", "import asyncio; raise asyncio.CancelledError"))
    app.sweep(*SPACE, "fail=exit", "hydra.sweeper.n_trials=2", "hydra.sweeper.max_failure_rate=1")
    reasons = [trial.user_attrs[marks.REASON] for trial in study_of(app.sweep_dir).trials]
    assert reasons == ["CancelledError"] * 2


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        ("not_a_number", "the task returned nan"),
        ("infinite", "the task returned inf"),
        ("none", "the task returned nothing (None); it must return a number"),
        ("text", "the task returned 'abc' (str); it must return a number"),
    ],
)
def test_values_that_are_no_results_fail_the_trial(app, study_of, returned, reason):
    app.sweep(*SPACE, f"returns={returned}", "hydra.sweeper.n_trials=1", "hydra.sweeper.max_failure_rate=1")
    trial = study_of(app.sweep_dir).trials[0]
    assert trial.state == TrialState.FAIL
    assert trial.user_attrs[marks.REASON] == reason


def test_retry_failed_counts_the_last_attempt_only(app, study_of):
    app.sweep(*SPACE, "fail=always", "hydra.sweeper.n_trials=2", "hydra.sweeper.retry_failed=1",
              "hydra.sweeper.max_failure_rate=1")  # fmt: skip
    trials = study_of(app.sweep_dir).trials
    assert [marks.condition(trial) for trial in trials] == ["not_counted", "failed"] * 2
    assert trials[0].params == trials[1].params


def test_enqueued_settings_come_first_and_only_once(app, study_of):
    first = "hydra.sweeper.enqueue=[{x:0.5},{x:1.5,optimizer.lr:0.01}]"
    app.sweep(*SPACE, first, "hydra.sweeper.n_trials=3")
    app.sweep(*SPACE, first, "hydra.sweeper.n_trials=4")
    params = [trial.params for trial in study_of(app.sweep_dir).trials]
    assert [params[0]["x"], params[1]] == [0.5, {"x": 1.5, "optimizer.lr": 0.01}]
    assert len(params) == 4


def test_a_setting_that_the_configuration_lacks_is_enqueued_by_its_key(app, study_of):
    app.sweep("+extra=interval(0,1)", "hydra.sweeper.enqueue=[{extra:0.5}]", "hydra.sweeper.n_trials=1")
    assert study_of(app.sweep_dir).trials[0].params == {"+extra": 0.5}


def test_lists_can_be_enqueued_whatever_they_hold(app, study_of):
    lists = ["[true]", "['a b']", "[null]", "[{a:1}]"]
    queue = ",".join(f"{{widths:{text}}}" for text in lists)
    app.sweep(f"widths=choice([1],{','.join(lists)})", f"hydra.sweeper.enqueue=[{queue}]", "hydra.sweeper.n_trials=4")
    ran = [yaml.safe_load((app.sweep_dir / str(n) / ".hydra" / "config.yaml").read_text())["widths"] for n in range(4)]
    assert ran == [[True], ["a b"], [None], [{"a": 1}]]


def test_grid_tries_every_point_once_even_when_resumed(app, study_of):
    grid = ("optimizer=sgd,adam", "n=range(1,4)", "hydra/sweeper/sampler=grid")
    app.sweep(*grid, "hydra.sweeper.n_trials=2")
    app.sweep(*grid, "hydra.sweeper.n_trials=100")
    points = sorted((trial.params["optimizer"], trial.params["n"]) for trial in study_of(app.sweep_dir).trials)
    assert points == [(name, n) for name in ("adam", "sgd") for n in (1, 2, 3)]


def test_brute_force_ends_when_the_space_is_exhausted(app, study_of):
    app.sweep("optimizer=sgd,adam", "n=range(1,3)", "hydra/sweeper/sampler=brute_force", "hydra.sweeper.n_trials=50")
    assert len({tuple(trial.params.values()) for trial in study_of(app.sweep_dir).trials}) == 4
    assert len(study_of(app.sweep_dir).trials) == 4


def test_conditional_space_draws_only_what_applies(app, study_of):
    (app.folder / "conf" / "space.yaml").write_text(
        "# @package _global_\nhydra:\n  sweeper:\n    params:\n      optimizer: choice(sgd, adam)\n      when:\n"
        "        optimizer=sgd: {optimizer.lr: 'interval(0.1, 1)', optimizer.momentum: 'interval(0, 0.9)'}\n"
        "        optimizer=adam: {optimizer.lr: 'tag(log, interval(1e-4, 1e-2))'}\n"
    )
    (app.folder / "conf" / "conditional.yaml").write_text("defaults: [config, space, _self_]\n")
    app.sweep("--config-name=conditional", "hydra.sweeper.n_trials=8", "hydra.sweeper.sampler.seed=1")
    names = {trial.params["optimizer"]: set(trial.params) for trial in study_of(app.sweep_dir).trials}
    assert names == {
        "sgd": {"optimizer", "optimizer.lr[optimizer=sgd]", "optimizer.momentum"},
        "adam": {"optimizer", "optimizer.lr[optimizer=adam]"},
    }
    header = (app.sweep_dir / "trials.csv").read_text().splitlines()[0]
    assert header.endswith("optimizer,optimizer.lr,optimizer.momentum")


def test_multi_objective_writes_the_front(app):
    app.sweep(*SPACE, "returns=pair", "hydra.sweeper.direction=[minimize,maximize]", "hydra.sweeper.n_trials=5")
    results = yaml.safe_load((app.sweep_dir / "optimization_results.yaml").read_text())
    assert set(results["solutions"][0]) == {"params", "values"}
    assert (app.sweep_dir / "trials.csv").read_text().startswith("number,state,value_0,value_1,duration_s")


def test_time_limit_starts_no_further_trial(app, study_of):
    app.sweep(*SPACE, "hydra.sweeper.timeout_s=1e-6")
    assert study_of(app.sweep_dir).trials == []


def test_interpolations_in_hydras_own_overrides_are_left_to_the_trials(app, monkeypatch):
    storage = f"journal:{app.folder}/study?mode=shared"  # with = a URL is no override, if it stood in the place of one
    monkeypatch.setenv("STUDY", storage)
    app.sweep_dir = app.folder / "not there" / "yet"
    lines = ["hydra.sweep.subdir=n${hydra.job.num}", "hydra.sweeper.storage=${oc.env:STUDY}"]
    app.sweep(*SPACE, *lines, "hydra.sweeper.study_name=mine", "hydra.sweeper.n_trials=2")
    for folder in (app.sweep_dir / "n0", app.sweep_dir / "n1"):
        hydra = yaml.safe_load((folder / ".hydra" / "hydra.yaml").read_text())["hydra"]
        assert set(lines) < set(hydra["overrides"]["hydra"])
        assert storage not in str(hydra)


@pytest.mark.parametrize("password", ["s3cret", "/s3/cret?"])
def test_passwords_are_neither_printed_nor_written(app, password):
    run = app.sweep(*SPACE, f"hydra.sweeper.storage='postgresql://me:{password}@localhost:1/x'", code=2)
    assert "cret" not in run.stdout + run.stderr
    assert "me:***@localhost" in run.stderr


@pytest.mark.parametrize(
    "launcher", [(), ("hydra/launcher=local", "hydra.launcher.preload=[]")], ids=["basic", "local"]
)
def test_trial_whose_folder_cannot_be_made_fails_with_that_reason(app, study_of, launcher):
    app.sweep_dir.mkdir()
    (app.sweep_dir / "0").touch()
    app.sweep(*SPACE, "hydra.sweeper.n_trials=2", *launcher)
    first, second = study_of(app.sweep_dir).trials
    assert (first.state, second.state) == (TrialState.FAIL, TrialState.COMPLETE)
    assert first.user_attrs[marks.REASON].startswith("FileExistsError: [Errno 17] File exists:")


def test_list_element_and_what_the_task_draws_itself_have_a_place_in_best_yaml(app, study_of):
    program = (app.folder / "app.py").read_text()
    draw = "    from lightsweep.sweeping.trial import current_trial\n    current_trial().suggest_float('extra', 0, 1)\n"
    (app.folder / "app.py").write_text(program.replace("def main(cfg):\n", f"def main(cfg):\n{draw}"))
    app.sweep("widths=[1,2,3]", "widths.1=choice(5,6)", "hydra.sweeper.n_trials=1")
    trial = study_of(app.sweep_dir).best_trial
    text = (app.sweep_dir / "best.yaml").read_text()
    assert yaml.safe_load(text) == {"widths": [1, trial.params["widths.1"], 3]}
    assert f"# drawn by the task itself: extra={trial.params['extra']}" in text


@pytest.mark.parametrize(
    ("module", "log", "speaks"),
    [
        ("hydra._internal.core_plugins.basic_launcher", "hydra._internal.core_plugins.basic_launcher", False),
        ("hydra_plugins.hydra_joblib_launcher.joblib_launcher", "hydra_plugins.hydra_joblib_launcher._core", False),
        ("hydra_plugins.lightsweep_local.local_launcher", "hydra_plugins.lightsweep_local.local_launcher", True),
    ],
)
def test_hydras_own_launchers_print_no_line_for_a_job(module, log, speaks, caplog):
    logger = logging.getLogger(log)
    caplog.set_level(logging.INFO)
    with quiet(type("Launcher", (), {"__module__": module})()):
        assert logger.isEnabledFor(logging.INFO) == speaks
    assert logger.isEnabledFor(logging.INFO)


KILLED, BROKEN, BEGUN = JobDied("job 0 was killed by signal 9"), ImportError("no such package"), None


@pytest.mark.parametrize(
    ("rounds", "error"),
    [
        ([KILLED, BEGUN], None),
        ([KILLED, BEGUN, KILLED, BEGUN], None),
        ([BEGUN, KILLED, KILLED], JobDied),
        ([BROKEN], ImportError),
    ],
)
def test_a_round_whose_jobs_are_killed_before_they_begin_a_trial_is_repeated_once(rounds, error, monkeypatch):
    left, trials = list(rounds), []

    class Crew:
        def launcher(self, job):
            return None

        def launch(self, launcher, wanted, index):
            end = left.pop(0)
            trials.extend([] if end else ["a trial"])
            return [JobReturn(status=JobStatus.FAILED if end else JobStatus.COMPLETED, _return_value=end)]

    monkeypatch.setattr(rounds_module, "_wanted", lambda study, plan: len(left))
    monkeypatch.setattr(rounds_module, "counted", lambda study: marks.TrialCounts(complete=len(trials)))
    monkeypatch.setattr(rounds_module, "_shown", lambda study, plan, launcher: nullcontext())

    with nullcontext() if error is None else pytest.raises(error):
        run_trials(None, None, Crew(), None)

    assert left == []
