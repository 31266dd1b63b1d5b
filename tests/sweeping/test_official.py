"""Configurations written for hydra-optuna-sweeper run as they are, and give the files that it gave."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import optuna
import pytest
import yaml
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper

from hydra_plugins.lightsweep_optuna.optuna_sweeper import OptunaSweeper

pytestmark = pytest.mark.filterwarnings(r"ignore:\s*Future Hydra versions:UserWarning")

TEMPLATE = """
# @package _global_
defaults:
  - config
  - override /hydra/sweeper: optuna
  - _self_
hydra:
  sweeper:
    _target_: hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper
    storage: null
    study_name: null
    n_jobs: 1
    direction: minimize
    n_trials: 5
    sampler:
      _target_: optuna.samplers.TPESampler
      seed: 1234
      n_startup_trials: 3
    params:
      x: interval(-5.5, 5.5)
      n: choice(1, 2, 4)
"""


def test_discovery():
    found = [(cls.__module__, cls.__name__) for cls in Plugins.instance().discover(Sweeper)]
    assert (OptunaSweeper.__module__, OptunaSweeper.__name__) in found


def test_plugin_modules_import_nothing_heavy(app):
    code = "import sys, hydra_plugins.lightsweep_optuna.optuna_sweeper, hydra_plugins.lightsweep_optuna.config\n"
    code += "print([name for name in ('optuna', 'torch', 'lightning', 'lightsweep') if name in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", code], env=app.environment(), capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


def test_config_that_names_the_official_class_runs(app, study_of):
    (app.folder / "conf" / "template.yaml").write_text(TEMPLATE)
    command = app.command("--config-name=template")
    command.remove("hydra/sweeper=optuna")
    app.command = lambda *_, **__: command
    app.sweep()
    assert len(study_of(app.sweep_dir).trials) == 5


@pytest.mark.parametrize("line", ["params.x='interval(0,1)'", "search_space.x={type:float,low:0,high:1}"])
def test_the_command_line_alone_can_name_the_space(app, line):
    app.sweep(f"+hydra.sweeper.{line}", "hydra.sweeper.n_trials=1")
    assert (app.sweep_dir / "trials.csv").read_text().startswith("number,state,value,duration_s,reason,x\n0,complete,")


@pytest.mark.parametrize("with_command_line", [True, False])
@pytest.mark.slow
def test_params_of_the_file_and_of_the_command_line(app, with_command_line):
    (app.folder / "conf" / "sphere.yaml").write_text(
        "defaults: [config, override hydra/sweeper: optuna, _self_]\nhydra:\n  sweeper:\n    direction: minimize\n"
        "    n_jobs: 1\n    params:\n      x: interval(-5.5, 5.5)\n      n: range(-5, 6)\n"
    )
    url = f"sqlite:///{app.folder}/test.db"
    extra = ("x=choice(0, 1, 2)", "n=0") if with_command_line else ()
    app.sweep(
        "--config-name=sphere", "hydra.sweeper.n_trials=6", "hydra.sweeper.n_jobs=1", f"hydra.sweeper.storage={url}",
        "hydra.sweeper.study_name=test", "hydra/sweeper/sampler=tpe", "hydra.sweeper.sampler.seed=123",
        "hydra.job.chdir=True", "~token", *extra,
    )  # fmt: skip
    returns = yaml.safe_load((app.sweep_dir / "optimization_results.yaml").read_text())
    best = optuna.load_study(storage=url, study_name="test").best_trial
    assert returns == {"name": "optuna", "best_params": best.params, "best_value": best.value}
    assert ("n" in best.params) != with_command_line


def test_custom_search_space_adds_parameters(app, study_of):
    (app.folder / "spaces.py").write_text(
        "def configure(cfg, trial):\n"
        "    x = trial.params['x']\n"
        "    trial.suggest_float('optimizer.momentum', 0, min(0.9, x))\n"
        "    trial.suggest_float('+w', 0.0, float(cfg.n))\n"
    )
    app.sweep("x=interval(0.1,1)", "hydra.sweeper.custom_search_space=spaces.configure", "hydra.sweeper.n_trials=3")
    trials = study_of(app.sweep_dir).trials
    assert all(trial.params["optimizer.momentum"] <= trial.params["x"] for trial in trials)
    ran = yaml.safe_load((app.sweep_dir / "0" / ".hydra" / "config.yaml").read_text())
    assert ran["w"] == trials[0].params["+w"]


@pytest.mark.parametrize("line", ["n=3", "n=range(2,9)"])
def test_custom_search_space_that_draws_what_is_set_already_is_refused(app, line):
    (app.folder / "spaces.py").write_text("def configure(cfg, trial):\n    trial.suggest_int('n', 1, 5)\n")
    run = app.sweep("x=interval(0,1)", line, "hydra.sweeper.custom_search_space=spaces.configure", code=2)
    assert "custom_search_space` draws n, which is fixed or searched already" in run.stderr
    assert "Warning" not in run.stderr
    assert not app.sweep_dir.exists()


def test_deprecated_search_space_is_read(app, study_of):
    (app.folder / "conf" / "old.yaml").write_text(
        "defaults: [config, override hydra/sweeper: optuna, _self_]\nhydra:\n  sweeper:\n    search_space:\n"
        "      x: {type: float, low: -1.0, high: 1.0, step: 0.5}\n      n: {type: categorical, choices: [1, 5]}\n"
    )
    app.sweep("--config-name=old", "hydra.sweeper.n_trials=3")
    assert all(set(trial.params) == {"x", "n"} for trial in study_of(app.sweep_dir).trials)


@pytest.mark.slow
def test_grid_node_with_partial_runs(app, study_of):
    (app.folder / "conf" / "grid.yaml").write_text(
        "defaults: [config, override hydra/sweeper: optuna, override hydra/sweeper/sampler: grid, _self_]\n"
        "hydra:\n  sweeper:\n    sampler: {_target_: optuna.samplers.GridSampler, _partial_: true}\n"
        "    params: {x: 'choice(-1, 1)', n: 'range(0, 2)', optimizer: 'glob(*)'}\n"
    )
    app.sweep("--config-name=grid", "hydra.sweeper.n_trials=100")
    assert len({tuple(trial.params.items()) for trial in study_of(app.sweep_dir).trials}) == 8


def test_launch_jobs():
    """Hydra's own runner, in this process, over its own test application."""
    from hydra.test_utils.test_utils import SweepTaskFunction

    sweep = SweepTaskFunction()
    sweep.calling_file, sweep.calling_module = None, "hydra.test_utils.a_module"
    sweep.config_path, sweep.config_name, sweep.task_function = "configs", "compose.yaml", lambda _: 1.0
    sweep.overrides = [
        "hydra/sweeper=optuna", "hydra/launcher=basic", "hydra.sweeper.n_trials=8", "hydra.sweeper.n_jobs=3",
        "foo=interval(1,5)",
    ]  # fmt: skip
    with sweep:
        assert sweep.returns is None
        folders = sorted(path.name for path in Path(sweep.temp_dir).iterdir() if path.is_dir())
        assert folders == [str(number) for number in range(8)]


def test_wrapped_task_survives_cloudpickle(app):
    """What launchers of other machines do with the function that they are given."""
    import cloudpickle

    from lightsweep.sweeping.isolation import Command
    from lightsweep.sweeping.job import TrialJob
    from lightsweep.sweeping.task_run import TaskRun

    task = TaskRun(None, partial(int, "3"), None, Command("app.py", None, ()), Path(), None)  # type: ignore[arg-type]
    job = TrialJob(None, task)  # type: ignore[arg-type]
    assert cloudpickle.loads(cloudpickle.dumps(job)).task.task_function() == 3
