"""An experiment file that lies anywhere composes to what it says, and what follows it wins."""

import pytest

from lightsweep.config.compose import compose
from lightsweep.config.experiment_file import expand_experiment
from lightsweep.errors import ConfigError
from lightsweep.paths import RunPaths, conf_dir

BEST = """# @package _global_
defaults:
- override /model: mlp
- override /optimizer: adam
- _self_
model:
  widths: [64, 32]
optimizer:
  lr: 0.002
tags: ["it's a \\\\ word", plain]
early_stopping:
  patience: null
"""


def test_a_file_becomes_overrides_that_compose_to_its_values(tmp_path):
    path = tmp_path / "best.yaml"
    path.write_text(BEST)

    cfg = compose(["seed=3", f"experiment={path}", "optimizer.lr=0.5"])

    assert (cfg.model._target_, list(cfg.model.widths)) == ("lightsweep.models.MLP", [64, 32])
    assert (cfg.optimizer._target_, cfg.optimizer.lr, cfg.seed) == ("torch.optim.Adam", 0.5, 3)
    assert list(cfg.tags) == ["it's a \\ word", "plain"]
    assert cfg.early_stopping.patience is None


@pytest.mark.parametrize("name", ["fast99", "record", "article"])
def test_a_file_composes_to_what_its_name_does(name):
    path = conf_dir() / "experiment" / f"{name}.yaml"

    assert compose([f"experiment={path}"]) == compose([f"experiment={name}"])


@pytest.mark.parametrize(("text", "value"), [("5e-4", "0.0005"), ("'5e-4'", "'5e-4'"), ("2026-11-26", "'2026-11-26'")])
def test_a_value_is_read_as_hydra_reads_it(tmp_path, text, value):
    path = tmp_path / "mine.yaml"
    path.write_text(f"a: {text}")

    assert expand_experiment([f"experiment={path}"]) == [f"a={value}"]


def test_a_running_sweeps_winner_is_said_to_come_at_its_end(tmp_path):
    (tmp_path / "multirun.yaml").touch()

    with pytest.raises(ConfigError, match=r"best\.yaml` cannot be read: No such file .*; the sweep writes it when"):
        expand_experiment([f"experiment={tmp_path}/best.yaml"])
    with pytest.raises(ConfigError, match=r"other\.yaml` cannot be read: No such file or directory$"):
        expand_experiment([f"experiment={tmp_path}/other.yaml"])


def test_an_experiment_by_name_stays_as_it_is():
    assert expand_experiment(["experiment=article", "seed=1"]) == ["experiment=article", "seed=1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read: No such file"),
        ("a: [", "is no YAML file"),
        ("3", "cannot be read: Invalid loaded object type: int"),
        ("[3]", "is no experiment: it holds no keys"),
        ("", "is no experiment: it holds no keys"),
    ],
)
def test_a_file_that_is_no_experiment_is_named(tmp_path, text, message):
    path = tmp_path / "best.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        expand_experiment([f"experiment={path}"])


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("hydra: {callbacks: {x: {_target_: os.system, command: touch ran}}}", "hydra.callbacks.x._target_"),
        ("hydra.callbacks.x: {_target_: os.system}", "hydra.callbacks.x._target_"),
        ("'hydra/launcher': basic", "hydra/launcher"),
        ("defaults: [{override /hydra/launcher: joblib}]", "hydra/launcher"),
        ("defaults: [{'model@hydra.callbacks.x': mlp}]", "model@hydra.callbacks.x"),
        ("trust: [os]", "trust"),
        ("slurm: {setup: ['touch ran']}", "slurm.setup"),
        ("'tags=[] hydra.callbacks.x': {_target_: os.system}", "tags=.*"),
        ("'~trust': 1", "~trust"),
        ("'++hydra.callbacks.x': {_target_: os.system}", r"\+\+hydra.*"),
        ("logger: {csv: {save_dir: ../../elsewhere}}", "logger.csv.save_dir"),
        ("logger: {csv: {_args_: [a, ~/elsewhere]}}", "logger.csv._args_"),
    ],
)
def test_a_file_does_not_reach_beyond_a_runs_configuration(tmp_path, text, key):
    path = tmp_path / "best.yaml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=f"may not set `{key}`: if that is right, give it on the command line"):
        expand_experiment([f"experiment={path}"])


@pytest.mark.parametrize("choice", ["../../elsewhere/model", "/etc/passwd", "mlp hydra.run.dir=x", "${oc.env:HOME}"])
def test_a_choice_is_a_name_and_no_path(tmp_path, choice):
    path = tmp_path / "best.yaml"
    path.write_text(f"defaults: [{{override /model: '{choice}'}}]")

    with pytest.raises(ConfigError, match="for `model`, which is no name"):
        expand_experiment([f"experiment={path}"])


def test_trust_that_the_command_line_gives_too_is_taken_from_there(tmp_path):
    path = tmp_path / "best.yaml"
    path.write_text("trust: [os]\nseed: 3")

    assert expand_experiment([f"experiment={path}", "trust=[mine]"]) == ["trust=[os]", "seed=3", "trust=[mine]"]


def test_a_runs_whole_configuration_is_no_experiment(tmp_path):
    run = RunPaths(tmp_path / "run")
    run.hydra.mkdir(parents=True)
    run.overrides.write_text("- seed=3")
    run.config.write_text("seed: 3\ntrust: []")

    with pytest.raises(ConfigError, match=f"no experiment; to repeat the run give the words in {run.overrides}$"):
        expand_experiment([f"experiment={run.config}"])


def test_a_file_that_builds_on_another_is_refused_and_not_taken_without_it(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("defaults: [article, _self_]\nseed: 3\n")

    with pytest.raises(ConfigError, match="builds on 'article' in its defaults"):
        expand_experiment([f"experiment={path}"])


def test_a_file_that_is_no_yaml_is_told_with_the_place(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("optimizer:\n\tlr: 0.1\n")

    with pytest.raises(ConfigError, match=r"is no YAML file: .*'\\t'.*, line 2, column 1$"):
        expand_experiment([f"experiment={path}"])
