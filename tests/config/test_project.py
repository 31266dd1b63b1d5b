"""A project's own `conf/` and `sweeps/`: they add to lightsweep's groups and win over them."""

import sys
from pathlib import Path

import pytest

from lightsweep import compose, paths
from lightsweep.errors import ConfigError


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Writes files of a project in whose folder the process stands."""
    monkeypatch.chdir(tmp_path)

    def written(**files):
        for name, text in files.items():
            path = tmp_path / f"{name.replace('__', '/')}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return written


def test_a_projects_choice_is_found_beside_ours(project):
    project(conf__model__my_net="_target_: my_net.MyNet\nwidth: 16\n")

    assert compose(["model=my_net"]).model.width == 16
    assert compose(["model=mlp"]).model._target_ == "lightsweep.models.MLP"


def test_a_projects_file_wins_over_ours_of_the_same_name(project):
    project(conf__optimizer__sgd="_target_: torch.optim.SGD\n_partial_: true\nlr: 0.5\n")

    assert compose(["optimizer=sgd"]).optimizer.lr == 0.5


def test_a_projects_file_can_build_on_ours(project):
    project(conf__model__wide="defaults: [mlp, _self_]\nwidths: [1024]\n")

    cfg = compose(["model=wide"])

    assert (cfg.model.widths, cfg.model.dropout) == ([1024], 0.0)


def test_a_projects_base_is_a_choice_where_ours_is_none(project):
    with pytest.raises(ConfigError) as ours:
        compose(["data=nothing"])
    project(conf__data__base="_target_: lightsweep.data.Line\n")
    with pytest.raises(ConfigError) as theirs:
        compose(["data=nothing"])

    assert [" base" in str(error.value) for error in (ours, theirs)] == [False, True]


def test_project_defaults_apply_and_the_command_line_wins_over_them(project):
    project(
        conf__model__my_net="_target_: my_net.MyNet\n",
        conf__project__default="# @package _global_\ndefaults: [override /model: my_net]\ntrust: [my_net]\nseed: 7\n",
    )

    assert (compose().model._target_, compose().trust, compose().seed) == ("my_net.MyNet", ["my_net"], 7)
    assert compose(["model=mlp", "seed=1"]).model._target_ == "lightsweep.models.MLP"
    assert compose(["experiment=article"]).model._target_ == "lightsweep.models.ConvNet"


def test_a_projects_sweep_is_found_beside_ours(project):
    project(sweeps__width="# @package _global_\ntags: [searched]\n")

    assert compose(["sweeps=width"]).tags == ["searched"]


def test_the_folder_of_the_program_is_a_project_too(project, tmp_path, monkeypatch):
    project(conf__model__my_net="_target_: my_net.MyNet\nwidth: 16\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=r"^`model` must be one of .* but got 'my_net'"):
        compose(["model=my_net"])

    monkeypatch.setattr(sys, "argv", [str(tmp_path / "train.py")])

    assert compose(["model=my_net"]).model.width == 16


def test_our_own_folder_is_no_project(monkeypatch):
    monkeypatch.chdir(paths.home())

    assert paths.home() not in paths.project_folders()


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("n_trial: 3", r"`hydra\.sweeper\.n_trial` is no known key; did you mean 'n_trials'\?"),
        ("parms: {seed: 3}", r"`hydra\.sweeper\.parms` is no known key; did you mean 'params'\?"),
        ("n_trials: many", r"`hydra\.sweeper\.n_trials`: Value 'many' .* could not be converted to Integer"),
    ],
)
def test_a_setting_that_the_sweeper_does_not_take_is_one_line(project, setting, text):
    override = "defaults: [override /hydra/sweeper: optuna]"
    project(sweeps__width=f"# @package _global_\n{override}\nhydra: {{sweeper: {{{setting}}}}}\n")

    with pytest.raises(ConfigError, match=rf"^{text}$"):
        compose(["sweeps=width"])


def test_a_projects_broken_file_is_one_line(project):
    project(conf__model__my_net="_target_: [\n")

    with pytest.raises(ConfigError, match=r"^a configuration file is no YAML: [^\n]+my_net\.yaml[^\n]+$"):
        compose(["model=my_net"])


ODD_FILES = {
    "defaults that are no list": ("# @package _global_\ndefaults:\n  override /model: mlp\n", "must be a list"),
    "defaults without an entry": ("# @package _global_\ndefaults:\n", "must be a list"),
    "a number among the defaults": ("# @package _global_\ndefaults: [3]\n", "^In 'experiment/mine': Unsupported type"),
    "defaults that lead back": (
        "# @package _global_\ndefaults: [mine]\n",
        "^the `defaults` of files lead back to them: experiment/mine → experiment/mine$",
    ),
    "no package": ("seed: 1\n", r"^`experiment` is no known key: .* begins with the line `# @package _global_`$"),
}


@pytest.mark.parametrize("case", ODD_FILES)
def test_a_file_that_hydra_has_no_word_of_its_own_for_is_one_line(project, case):
    text, told = ODD_FILES[case]
    project(conf__experiment__mine=text)

    with pytest.raises(ConfigError, match=told):
        compose(["experiment=mine"])


def test_a_file_in_another_encoding_is_named(project, tmp_path):
    project(conf__experiment__mine="")
    (tmp_path / "conf/experiment/mine.yaml").write_bytes(b"# gr\xfc\xdfe\nseed: 1\n")

    with pytest.raises(ConfigError, match=r"^In 'experiment/mine': save the file as UTF-8: .*0xfc in position 4"):
        compose(["experiment=mine"])


def test_a_file_that_may_not_be_read_is_named(project, monkeypatch):
    read = Path.read_text

    def sealed(self, **kwargs):  # root may read everything
        if self.name == "mine.yaml":
            raise PermissionError(13, "Permission denied", str(self))
        return read(self, **kwargs)

    project(conf__experiment__mine="seed: 1\n")
    monkeypatch.setattr(Path, "read_text", sealed)

    with pytest.raises(ConfigError, match=r"conf/experiment/mine\.yaml cannot be read: Permission denied$"):
        compose(["experiment=mine"])


def test_a_byte_order_mark_does_not_hide_where_a_file_belongs(project):
    project(conf__experiment__mine="\ufeff# @package _global_\nseed: 3\n")

    assert compose(["experiment=mine"]).seed == 3
