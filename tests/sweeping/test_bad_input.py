"""Every mistake that can be seen beforehand: one line, exit code 2, and no trial."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from lightsweep.errors import ConfigError
from lightsweep.sweeping import storage
from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.space import build_space
from lightsweep.sweeping.storage import open_storage, storage_spec
from lightsweep.sweeping.study import open_study
from tests.sweeping.database_servers import connections_closed  # noqa: F401

SPACE = ("x=interval(-2,2)",)
S = "hydra.sweeper"

CASES = {
    "nothing searched": ((), "nothing is searched"),
    "a search within its group": (
        ("+search.hydra.sweeper.n_trials=3",),
        "nothing is searched; `hydra` lies within `search`: begin the file with the line `# @package _global_`\n",
    ),
    "low above high": (("x=interval(2,1)",), "`x` has low 2 above high 1"),
    "log from zero": (("x=tag(log,interval(0,1))",), "must be above 0 but is 0"),
    "empty range": (("n=range(3,3)",), "`n` has an empty range"),
    "unknown key": (
        ("optimizer.momentun=interval(0,1)",),
        "no `optimizer.momentun`; did you mean 'optimizer.momentum'?",
    ),
    "unknown key like no other": (("zzz=interval(0,1)",), "error: the configuration has no `zzz`; +zzz=… adds it\n"),
    "key of another group": (
        ("optimizer=sgd,adam", "optimizer.momentum=interval(0,1)"),
        "no `optimizer.momentum` when optimizer=adam",
    ),
    "unknown group choice": (("optimizer=sgd,adamm",), "but got 'adamm'; did you mean 'adam'?\n"),
    "unknown setting": ((*SPACE, f"+{S}.n_trial=3"), f"`{S}.n_trial` is no known key; did you mean 'n_trials'?\n"),
    "unknown setting of re-runs": (
        (*SPACE, f"+{S}.rerun_best.seds=3"),
        "_best.seds` is no known key; did you mean 'see",
    ),
    "no trials": (
        (*SPACE, f"{S}.n_trials=0"),
        "`hydra.sweeper.n_trials` must be a whole number of at least 1 but got 0",
    ),
    "direction": ((*SPACE, f"{S}.direction=up"), "must be minimize or maximize, or a list of them, but got 'up'"),
    "failure rate": ((*SPACE, f"{S}.max_failure_rate=2"), "must be between 0 and 1 but got 2"),
    "time limit": ((*SPACE, f"{S}.timeout_s=-1"), "must be a finite number above 0 but got -1"),
    "time limit of no number": (
        (*SPACE, f"{S}.timeout_s=nan"),
        "`hydra.sweeper.timeout_s` must be a finite number above 0 but got nan; null is no limit",
    ),
    "endless remote timeout": ((*SPACE, f"{S}.remote_timeout_s=inf"), "above 0 but got inf; null is no limit"),
    "retries": ((*SPACE, f"{S}.retry_failed=-1"), "at least 0 but got -1"),
    "jobs": ((*SPACE, f"{S}.n_jobs=0"), "`hydra.sweeper.n_jobs` must be a whole number of at least 1"),
    "test metric": ((*SPACE, "monitor=test/acc"), "a sweep must not choose by the test set"),
    "storage": ((*SPACE, f"{S}.storage=nosuch://me:s3cret@h/x"), "nosuch://me:***@h/x cannot be used"),
    "storage in memory": ((*SPACE, f"{S}.storage='sqlite:///:memory:'"), "must not be a database in memory"),
    "storage of no kind": (
        (*SPACE, f"{S}.storage=42"),
        "`hydra.sweeper.storage` must be a URL, a journal file or a mapping with a _target_ but got 42",
    ),
    "pruner of two": (
        (*SPACE, "hydra/sweeper/pruner=median", f"{S}.direction=[minimize,minimize]"),
        "works with one direction only",
    ),
    "sampler that cannot draw": (
        (*SPACE, f"{S}.sampler.n_startup_trials=abc"),
        "`hydra.sweeper.sampler` optuna.samplers.TPESampler with n_startup_trials='abc' cannot draw: ",
    ),
    "grid over interval": ((*SPACE, "hydra/sweeper/sampler=grid"), "`x` is an interval"),
    "enqueue outside": ((*SPACE, f"{S}.enqueue=[{{x:9}}]"), "has x=9, outside"),
    "enqueue unknown": ((*SPACE, f"{S}.enqueue=[{{y:9}}]"), "names y, which is not searched; searched: x"),
    "enqueue with grid": (
        ("n=range(3)", "hydra/sweeper/sampler=grid", f"{S}.enqueue=[{{n:1}}]"),
        "has no use with a sampler that tries every point",
    ),
    "reruns of two": (
        (*SPACE, f"{S}.rerun_best.seeds=2", f"{S}.direction=[minimize,minimize]"),
        "`hydra.sweeper.rerun_best` works with one direction only",
    ),
    "reruns without a seed": (
        (*SPACE, f"{S}.rerun_best.seeds=2"),
        "`hydra.sweeper.rerun_best.seed_key` is seed, which the configuration does not have",
    ),
    "reruns by what is no seed": (
        (*SPACE, f"{S}.rerun_best.seeds=2", f"{S}.rerun_best.seed_key=optimizer.lr"),
        "`hydra.sweeper.rerun_best.seed_key` must name a whole number but optimizer.lr has 0.1\n",
    ),
    "reruns by a group": (
        (*SPACE, f"{S}.rerun_best.seeds=2", f"{S}.rerun_best.seed_key=optimizer"),
        "must name a whole number but optimizer is a group of keys\n",
    ),
    "search space of no mapping": ((f"+{S}.search_space.x=3",), "`search_space.x` must be a mapping with a type"),
    "reruns": ((*SPACE, f"{S}.rerun_best.seeds=-1"), "`hydra.sweeper.rerun_best.seeds` must be a whole number of at"),
    "condition on no option": (
        (*SPACE, "--config-name=no_option"),
        "`params.when` has 'optimizer=adamm', which never holds: optimizer has no such option; did you mean 'adam'?",
    ),
    "condition on no key": (
        (*SPACE, "--config-name=no_key"),
        "`params.when` has 'optimizer.momentun=0.9', but the configuration has no `optimizer.momentun`; did you mean",
    ),
    "conditions that hold together": (
        (*SPACE, "--config-name=together", "optimizer=adam"),
        "`params.when` sets `n` under 'optimizer=adam' and under 'm=1,2', which can hold together",
    ),
    "condition on a value of a searched group": (
        (*SPACE, "--config-name=of_a_group"),
        "`params.when` asks for `optimizer.lr`, which is 0.1 before a trial draws and 0.001 when optimizer=adam; "
        "ask for what is searched\n",
    ),
    "condition on a part of a searched mapping": (
        (*SPACE, "--config-name=of_a_mapping"),
        "asks for `optimizer.lr`, which is 0.1 before a trial draws and 2 when +optimizer={lr:2}; ask",
    ),
    "key in a branch of a value": (
        (*SPACE, "--config-name=of_a_value"),
        "the configuration has no `optimizer.momentun` when n=2; did you mean 'optimizer.momentum'?\n",
    ),
    "group in a branch": ((*SPACE, "--config-name=nested"), "no `optimizer.momentum` when n=2, optimizer=adam"),
    "folder": ((*SPACE, "hydra.sweep.dir=app.py/out"), "app.py is a file\n"),
    "folder beside a storage": (
        (*SPACE, "hydra.sweep.dir=app.py/out", f"{S}.storage=journal:study", f"{S}.study_name=s"),
        "app.py is a file\n",
    ),
    "custom space": ((*SPACE, f"{S}.custom_search_space=no.such.function"), "no.such.function cannot be loaded"),
    "function misspelt": (
        (*SPACE, f"{S}.constraints=os.path.joim"),
        "os.path.joim cannot be loaded: os.path has no joim; did you mean 'join'?\n",
    ),
}


FILES = {
    "no_option": "{when: {optimizer=adamm: {n: 2}}}",
    "no_key": "{when: {optimizer.momentun=0.9: {n: 2}}}",
    "together": "{m: 'range(0,3)', when: {optimizer=adam: {n: 'choice(3,4)'}, 'm=1,2': {n: 5}}}",
    "of_a_group": "{optimizer: 'choice(sgd,adam)', when: {optimizer.lr=0.001: {n: 2}}}",
    "of_a_mapping": "{+optimizer: 'choice({lr:0.1},{lr:2})', when: {optimizer.lr=2: {n: 2}}}",
    "of_a_value": "{n: 'range(1,3)', when: {n=2: {optimizer.momentun: 'interval(0,1)'}}}",
    "nested": "{n: 'choice(1,2)', when: {n=2: {optimizer: 'choice(sgd,adam)', optimizer.momentum: 'interval(0,1)'}}}",
}
"""What configurations search, by their names."""


@pytest.fixture(scope="module")
def answers(make_app, tmp_path_factory):
    """All cases in one process that runs the application for each, since starting Python is what takes time."""
    app = make_app(tmp_path_factory.mktemp("bad"))
    for name, params in FILES.items():
        text = f"defaults: [config, override hydra/sweeper: optuna, _self_]\nhydra: {{sweeper: {{params: {params}}}}}\n"
        (app.folder / "conf" / f"{name}.yaml").write_text(text)
    driver = (
        "import contextlib, io, json, runpy, sys\nfrom hydra.core.global_hydra import GlobalHydra\nanswers = {}\n"
        "for name, command in json.load(sys.stdin).items():\n"
        "    sys.argv = ['app.py', *command]\n    out = io.StringIO()\n"
        "    with contextlib.redirect_stderr(out), contextlib.redirect_stdout(out):\n"
        "        try:\n            runpy.run_path('app.py', run_name='__main__')\n            code = 0\n"
        "        except SystemExit as error:\n            code = error.code\n"
        "    GlobalHydra.instance().clear()\n    answers[name] = [code, out.getvalue()]\nprint(json.dumps(answers))\n"
    )
    commands = {name: app.command(*overrides)[2:] for name, (overrides, _) in CASES.items()}
    done = subprocess.run(
        [sys.executable, "-c", driver], input=json.dumps(commands), cwd=app.folder, env=app.environment(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return app, json.loads(done.stdout)


@pytest.mark.parametrize("name", CASES)
def test_mistake_is_one_line_and_exit_code_2(answers, name):
    app, answered = answers
    code, text = answered[name]
    assert CASES[name][1] in text
    assert code == 2
    assert len(text.strip().splitlines()) == 1
    assert "s3cret" not in text
    assert not any(os.path.isdir(app.sweep_dir / str(number)) for number in range(3))


def test_study_of_another_direction_or_space_is_refused(app):
    app.sweep(*SPACE, f"{S}.n_trials=1")
    run = app.sweep(*SPACE, f"{S}.n_trials=2", f"{S}.direction=maximize", code=2)
    assert "the study 'sweep' has direction minimize but `hydra.sweeper.direction` is maximize" in run.stderr
    run = app.sweep("x=interval(-3,2)", f"{S}.n_trials=2", code=2)
    assert "was made for another space: x was FloatDistribution(high=2.0" in run.stderr

    elsewhere = (f"{S}.storage=journal:{app.sweep_dir}/study.journal", f"{S}.study_name=sweep", "hydra.sweep.dir=other")
    app.sweep("x=interval(-3,2)", f"{S}.n_trials=2", *elsewhere, code=2)
    assert not (app.folder / "other").exists()


@pytest.mark.parametrize(
    ("params", "state", "lacks"),
    [
        ({"x": 0.5}, TrialState.COMPLETE, "way"),
        ({"x": 0.5, "way": "a"}, TrialState.COMPLETE, "y"),
        ({"x": 0.5, "way": "b"}, TrialState.COMPLETE, None),
        ({"x": 0.5}, TrialState.FAIL, None),
    ],
)
def test_study_made_elsewhere_with_a_trial_that_lacks_a_parameter_is_refused(params, state, lacks, tmp_path):
    written = {"x": "interval(0,1)", "way": "choice(a,b)", "when": {"way=a": {"y": "interval(0,1)"}}}
    space = build_space(written, None, [])
    plan = Plan("s", storage_spec(None, tmp_path), tmp_path, ("minimize",), {}, None, space, 9)
    known = {parameter.name: parameter.distribution for parameter in space.every_parameter()}
    drawn = {name: known[name] for name in params}
    made = create_trial(state=state, params=params, distributions=drawn, value=1.0 if state.value == 1 else None)
    study = optuna.create_study(storage=open_storage(plan.storage, for_sweep=True), study_name="s")
    study.add_trial(made)

    for _ in range(2):  # a refusal leaves nothing in the study by which it passes
        if lacks is None:
            open_study(plan)
            continue
        text = f"the study 's' was made for another space: its trial 0 has no {lacks}; give another `hydra.sweeper.stu"
        with pytest.raises(ConfigError, match=text):
            open_study(plan)


def test_study_of_another_fixed_setting_is_refused(app):
    app.sweep(*SPACE, "n=2", f"{S}.n_trials=1")
    run = app.sweep(*SPACE, "n=5", f"{S}.n_trials=2", code=2)
    assert "the study 'sweep' was made with another setting: n was 2, is now 5; give another" in run.stderr
    run = app.sweep(*SPACE, f"{S}.n_trials=2", code=2)
    assert "n was 2, is now not given" in run.stderr
    app.sweep(*SPACE, "n=2", "+trainer.devices=2", "+seed=4", f"{S}.n_trials=2")  # how and where may change


def test_a_database_that_another_program_holds_is_one_line(tmp_path, monkeypatch, connections_closed):  # noqa: F811
    monkeypatch.setattr(storage, "SQLITE_TIMEOUT_S", 0.1)
    url = f"sqlite:///{tmp_path}/held.db"
    plan = Plan("s", url, tmp_path, ("minimize",), {}, None, build_space({"x": "interval(0,1)"}, None, []), 9)
    open_storage(url, for_sweep=True)
    with closing(sqlite3.connect(tmp_path / "held.db")) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(ConfigError, match=r"held\.db cannot be used: \(sqlite3.+ database is locked"):
            open_study(plan)
