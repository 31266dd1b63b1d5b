"""The package from Python: typed results of runs, grids and searches."""

import json
import logging
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from optuna.distributions import IntDistribution
from optuna.trial import create_trial

import lightsweep
from lightsweep import ConfigError, Result, RunFolderError, Sweep, SweepFailed, sweep, train
from lightsweep.files import write_csv
from lightsweep.paths import RunPaths, SweepPaths
from lightsweep.sweeping.results import trials_table


@pytest.fixture
def quick(mnist_root, tmp_path, monkeypatch):
    """Overrides of a run of three steps, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return [
        "model=softmax_regression",
        "logger=none",
        "trainer.max_epochs=1",
        "trainer.limit_train_batches=3",
        "trainer.accelerator=cpu",
        f"data.root={mnist_root}",
        "data.val_size=50",
        "data.batch_size=50",
    ]


@pytest.fixture
def long_ago(monkeypatch):
    """A process that is told to have started long ago."""
    monkeypatch.setattr(lightsweep.training.run, "seconds_since_process_start", lambda: 1000.0)


def test_what_the_process_did_before_is_not_a_runs_time(quick, long_ago, monkeypatch):
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)  # as a command's run leaves it

    assert 0 < train(quick).seconds < 1000
    assert "PL_GLOBAL_SEED" not in os.environ


def test_what_the_process_did_before_is_not_the_time_of_a_sweeps_first_run(quick, long_ago):
    assert 0 < sweep([*quick, "seed=0,1"]).trials[0].duration_s < 1000


def test_training_by_overrides_makes_a_folder_of_its_own(quick, tmp_path):
    first, second = train(quick), train(lightsweep.compose(quick))

    assert first.status == second.status == "completed"
    assert first.metrics == second.metrics
    assert first.folder != second.folder
    assert json.loads(RunPaths(tmp_path / first.folder).result.read_text())["test/acc"] == first.metrics["test/acc"]
    assert lightsweep.evaluate(tmp_path / first.folder)["test/acc"] == first.metrics["test/acc"]
    assert lightsweep.evaluate(first.folder) == lightsweep.evaluate(tmp_path / first.folder)


def test_a_named_folder_is_used(quick, tmp_path):
    train(quick, "mine")

    assert RunPaths(tmp_path / "mine").result.is_file()


@pytest.mark.parametrize(
    ("folder", "resume", "error", "text"),
    [
        (None, True, RunFolderError, r"^`resume` needs `folder`, "),
        ("nothing", True, RunFolderError, r"^nothing is no run folder: it has no config\.yaml$"),
        ("", False, ConfigError, r"^`folder` must be a path, .* but got ''$"),
        (5, False, ConfigError, r"^`folder` must be a path, .* but got 5$"),
    ],
)
def test_a_folder_that_cannot_be_meant_is_refused(quick, tmp_path, folder, resume, error, text):
    with pytest.raises(error, match=text):
        train(quick, folder, resume)

    assert not list(tmp_path.iterdir())


def test_a_grid_gives_a_trial_for_each_combination(quick):
    level, handlers = logging.root.level, list(logging.root.handlers)

    found = sweep([*quick, "optimizer=sgd,adam", "seed=0,1"])

    assert [dict(trial.parameters) for trial in found.trials] == [
        {"optimizer": name, "seed": seed} for name in ("sgd", "adam") for seed in (0, 1)
    ]
    assert {trial.status for trial in found.trials} == {"completed"}
    assert all(0 <= trial.values[0] <= 1 and trial.duration_s > 0 for trial in found.trials)
    assert found == Sweep.read(found.folder)
    assert (logging.root.level, logging.root.handlers) == (level, handlers), "the caller's logging is its own"


def test_a_search_gives_its_trials_and_the_best(quick):
    found = sweep([*quick, "sweeps=lr_momentum", "hydra/launcher=basic", "hydra.sweeper.n_trials=3"])

    assert [trial.number for trial in found.trials] == [0, 1, 2]
    assert set(found.trials[0].parameters) == {"optimizer.lr", "optimizer.momentum"}
    best = max((trial for trial in found.trials if trial.status == "completed"), key=lambda trial: trial.values)
    assert found.best_value == best.values[0]
    assert dict(found.best_parameters) == pytest.approx(dict(best.parameters))
    assert RunPaths(best.folder).best.is_file()
    assert found == Sweep.read(found.folder)


def test_a_trial_is_found_where_it_ran_also_by_another_sweep_on_the_study_and_where_that_was_moved(quick, tmp_path):
    shared = [*quick, "sweeps=lr_momentum", "hydra/launcher=basic", "hydra.sweep.subdir=of_${hydra.job.num}"]
    shared += ["hydra.sweeper.storage=sqlite:///shared.db", "hydra.sweeper.study_name=shared"]
    sweep([*shared, "hydra.sweep.dir=first", "hydra.sweeper.n_trials=1"])
    found = sweep([*shared, "hydra.sweep.dir=second", "hydra.sweeper.n_trials=2"])

    assert [trial.folder for trial in found.trials] == [tmp_path / "first" / "of_0", tmp_path / "second" / "of_1"]
    found.folder.rename(tmp_path / "moved")
    folders = [trial.folder for trial in Sweep.read("moved").trials]
    assert folders == [tmp_path / "first" / "of_0", Path("moved/of_1")]
    assert all(RunPaths(folder).result.is_file() for folder in folders)


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (["optimizer=sgdd,adam"], r"^`optimizer` must be one of .*; did you mean 'sgd'\?$"),
        (["sweeps=lr_momentums"], r"^`sweeps` must be one of .*; did you mean 'lr_momentum'\?$"),
        (["sweeps=lr_momentum", "hydra.sweeper.n_trials=0"], r"^`hydra\.sweeper\.n_trials` must be .* at least 1"),
        (["optimizer.lr=-1,0"], r"^`optimizer\.lr` must be in \(0, inf\) but got -1$"),
        (["hydra.launcher.gpus=[0]"], r"^`hydra\.launcher\.gpus` is no .*; it belongs to hydra/launcher=local$"),
        (["hydra.sweeper.n_trials=3"], r"^`hydra\.sweeper\.n_trials` is no .*; it belongs to hydra/sweeper=optuna$"),
    ],
)
def test_a_mistake_in_a_sweep_is_a_config_error(quick, tmp_path, overrides, text):
    with pytest.raises(ConfigError, match=text):
        sweep([*overrides, f"hydra.sweep.dir={tmp_path / 'refused'}"])

    assert not (tmp_path / "refused").exists()


def test_a_grids_place_that_cannot_be_written_is_told_as_a_searchs(quick, tmp_path):
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "a"

    for words in (["seed=1,2"], ["sweeps=lr_momentum"]):
        with pytest.raises(RunFolderError, match=rf"^`hydra\.sweep\.dir` {place} cannot be made: {place.parent} is a "):
            sweep([*words, f"hydra.sweep.dir={place}"])


def test_a_search_by_a_metric_that_is_never_finite_says_so(quick, importable, tmp_path):
    source = "import torchmetrics\n\nclass Nan(torchmetrics.MeanMetric):\n    def update(self, p, t): pass\n"
    importable("never_finite", source + "    def compute(self): return float('nan')\n")
    own = ["+metrics.nan._target_=never_finite.Nan", "trust=[never_finite]", "monitor=val/nan", "mode=max"]

    with pytest.raises(SweepFailed, match="1 of 1 trial failed"):
        sweep([*quick, *own, "sweeps=lr_momentum", "hydra.sweeper.n_trials=1", "hydra/launcher=basic"])

    [trial] = Sweep.read(next((tmp_path / "outputs" / "sweeps").iterdir())).trials
    assert trial.reason.endswith("`monitor`: val/nan was never a finite number, so there is nothing to rank by")


def test_a_sweeps_launcher_goes_by_the_short_name_of_the_command_line(quick):
    with pytest.raises(ConfigError, match=r"^`ray\.address` is a setting of hydra/launcher=ray; add"):
        sweep([*quick, "ray.address=auto"])
    with pytest.raises(ConfigError, match=r"^`hydra\.launcher\.partitoin` is no known key"):
        sweep([*quick, "hydra/launcher=slurm", "slurm.partitoin=gpu"])


@pytest.mark.parametrize(
    "word", ["hydra.run.dir=mine", "hydra/launcher=basic", "slurm.partition=gpu", "sweeps=lr_momentum"]
)
def test_a_word_that_would_have_no_effect_on_a_run_is_refused(quick, tmp_path, word):
    with pytest.raises(ConfigError, match=rf"^`{word.partition('=')[0]}` .* train\(\)"):
        train([*quick, word])

    assert not list(tmp_path.iterdir())


@pytest.fixture
def unfinished_grid(tmp_path):
    """A grid's folder of which the first run is over, the second has begun, and the third has only its folder."""
    for number, overrides in enumerate((["optimizer.lr=1e-05", "tag=on"], ["optimizer.lr=1e-04", "tag=off"])):
        run = RunPaths(tmp_path / str(number))
        run.hydra.mkdir(parents=True)
        run.overrides.write_text("".join(f"- {line}\n" for line in ["model=mlp", *overrides]))
    (tmp_path / "2").mkdir()
    Result("completed", 0, monitored=0.5, seconds=3.0).save(RunPaths(tmp_path / "0"))
    return tmp_path


def test_a_grid_that_still_runs_is_read(unfinished_grid):
    first, second = Sweep.read(unfinished_grid).trials

    assert (first.status, first.values, first.duration_s) == ("completed", (0.5,), 3.0)
    assert (second.status, second.values, second.duration_s) == ("running", (), None)


def test_a_run_of_a_grid_that_died_says_so(unfinished_grid):
    for number, status in (("1", "running"), ("3", "failed")):
        run = RunPaths(unfinished_grid / number)
        run.hydra.mkdir(parents=True, exist_ok=True)
        run.overrides.write_text("- model=mlp\n")
        run.lock.touch()
        if status == "running":
            Result(status, 0).save(run)
        else:
            SweepPaths.error(run.folder).write_text("Traceback\nValueError: nine lives\n")

    _, killed, failed = Sweep.read(unfinished_grid).trials

    assert (killed.status, failed.status) == ("killed", "failed")
    assert "no process of this machine holds its folder" in killed.reason
    assert failed.reason == "ValueError: nine lives"


def test_parameters_of_a_grid_are_what_hydra_makes_of_them(unfinished_grid):
    found = [dict(trial.parameters) for trial in Sweep.read(unfinished_grid).trials]

    assert found == [{"optimizer.lr": 1e-05, "tag": "on"}, {"optimizer.lr": 1e-04, "tag": "off"}]


def test_parameters_of_a_search_are_those_that_it_drew(tmp_path):
    drawn = [1e-05, "on", True, 3, [1, 2], "torchvision.A(b)", "a,b"]
    keys = [f"k{number}" for number in range(len(drawn))]
    head = ["number", "state", "value", "duration_s", "reason"]
    write_csv(SweepPaths(tmp_path).trials, [[*head, *keys], [0, "complete", 0.5, 2.0, "", *drawn]])
    SweepPaths(tmp_path).results.write_text("name: optuna\nbest_params:\n  lr: 1e-05\nbest_value: 1e-05\n")

    found = Sweep.read(tmp_path)

    assert list(found.trials[0].parameters.values()) == drawn
    assert (found.best_parameters, found.best_value) == ({"lr": 1e-05}, 1e-05)


def test_parameters_that_are_named_like_columns_are_told_apart_from_them(tmp_path):
    drawn = {"value": 2, "state": 3, "value_coef": 4, "lr": 5}
    trial = create_trial(params=drawn, distributions={key: IntDistribution(0, 9) for key in drawn}, value=0.5)
    plan: Any = SimpleNamespace(directions=("maximize",), space=SimpleNamespace(every_parameter=tuple))
    head, row = trials_table([trial], plan)
    write_csv(SweepPaths(tmp_path).trials, [head, row])

    (found,) = Sweep.read(tmp_path).trials

    assert head[5:] == ["lr", "params.state", "params.value", "value_coef"]
    assert (found.status, found.values, dict(found.parameters)) == ("completed", (0.5,), drawn)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("trials.csv", "number,state,value,duration_s,reason\nx,complete,0.5,2.0,\n"),
        ("trials.csv", "a,b\n1,2\n"),
        ("optimization_results.yaml", "best_params: {"),
        ("optimization_results.yaml", "- 1"),
    ],
)
def test_a_damaged_file_of_a_search_is_named(tmp_path, name, content):
    SweepPaths(tmp_path).trials.write_text("number,state,value,duration_s,reason\n0,complete,0.5,2.0,\n")
    (tmp_path / name).write_text(content)
    with pytest.raises(RunFolderError, match=rf"{name} is damaged: "):
        Sweep.read(tmp_path)


@pytest.mark.parametrize("content", ["", "- '", "- 2026-99-99"])
def test_a_damaged_file_of_a_grid_is_named(unfinished_grid, content):
    RunPaths(unfinished_grid / "1").overrides.write_text(content)
    with pytest.raises(RunFolderError, match=r"1/.hydra/overrides.yaml is damaged: "):
        Sweep.read(unfinished_grid)


@pytest.mark.parametrize("content", ["- '", "- 1", "hydra: 3"])
def test_a_damaged_configuration_of_a_sweep_is_named(tmp_path, content):
    SweepPaths(tmp_path).multirun.write_text(content)
    with pytest.raises(RunFolderError, match=r"multirun.yaml is damaged: "):
        Sweep.read(tmp_path)


def test_a_comparison_gives_the_search_of_each_choice(tmp_path):
    SweepPaths(tmp_path).multirun.write_text("hydra: {sweeper: {compare: optimizer}}\n")
    for name, value in (("sgd", 0.5), ("adam", 0.25)):
        rows = [
            ["number", "state", "value", "duration_s", "reason", "optimizer.lr"],
            [0, "complete", value, 2.0, "", 0.1],
        ]
        (tmp_path / name).mkdir()
        write_csv(SweepPaths(tmp_path / name).trials, rows)

    found = Sweep.read(tmp_path)

    assert (found.trials, found.best_value) == ((), None)
    assert {name: choice.trials[0].values for name, choice in found.choices.items()} == {"sgd": (0.5,), "adam": (0.25,)}
    assert found.choices["sgd"] == Sweep.read(tmp_path / "sgd")


def test_a_folder_that_is_no_sweep_is_named(tmp_path):
    with pytest.raises(RunFolderError, match=r"is no sweep's folder"):
        Sweep.read(tmp_path)
    with pytest.raises(RunFolderError, match=r"nowhere is no sweep's folder"):
        Sweep.read(tmp_path / "nowhere")


@pytest.mark.parametrize("function", [lightsweep.compose, lightsweep.train, lightsweep.sweep])
@pytest.mark.parametrize("overrides", ["model=mlp", [3], None, {"model": "mlp"}, (word for word in ("model=mlp",))])
def test_overrides_that_are_no_list_of_texts_are_refused(function, overrides):
    with pytest.raises(ConfigError, match=r"^overrides must be a list of texts like .* but got "):
        function(overrides)


@pytest.mark.parametrize(
    ("function", "name"), [(lightsweep.evaluate, "folder"), (lightsweep.compare, "folders"), (Sweep.read, "folder")]
)
@pytest.mark.parametrize("value", [5, None])
def test_what_is_no_path_is_refused_by_its_arguments_name(function, name, value):
    with pytest.raises(ConfigError, match=rf"^`{name}` must be a path but got {value}$"):
        function(value)
    with pytest.raises(ConfigError, match=rf"^`{name}` must be a path but got a Result: give its `\.folder`$"):
        function(Result("completed", 0, folder="run"))


def test_a_comparison_of_nothing_says_what_to_name():
    with pytest.raises(ConfigError, match=r"^`folders` must name a folder of runs but is empty$"):
        lightsweep.compare([])


@pytest.mark.parametrize("function", [lightsweep.compose, lightsweep.train, lightsweep.sweep])
def test_a_present_folder_that_was_deleted_is_told(tmp_path, monkeypatch, function):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    with pytest.raises(RunFolderError, match=r"^the present folder is not there any more: "):
        function([])
