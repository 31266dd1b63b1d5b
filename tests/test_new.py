"""`lightsweep new`: which folder becomes a project."""

import json
import runpy
import sys
import tomllib
from types import SimpleNamespace

import pytest

from lightsweep.cli.new import make_project
from lightsweep.errors import ConfigError


def test_a_project_has_its_files_and_no_place_left_open(tmp_path):
    made = make_project(tmp_path / "my-project")

    names = {path.relative_to(tmp_path / "my-project").as_posix() for path in made}
    assert {
        "train.py",
        "pyproject.toml",
        ".gitignore",
        ".github/workflows/ci.yml",
        "conf/project/default.yaml",
        "conf/model/my_net.yaml",
        "sweeps/width.yaml",
        "my_project/my_net.py",
        "tests/test_my_net.py",
    } <= names
    assert all("$" not in path.read_text() for path in made)


@pytest.mark.parametrize(
    ("package", "url", "source"),
    [
        ("tree/src/lightsweep", None, {"path": "tree", "editable": True}),
        ("site-packages/lightsweep", "file://{here}/a%20tree", {"path": "a tree", "editable": True}),
        ("site-packages/lightsweep", "file://{here}/a.whl", {"path": "a.whl"}),
        ("site-packages/lightsweep", "file://{here}/gone", None),
        ("site-packages/lightsweep", "https://index.example/lightsweep.whl", None),
        ("site-packages/lightsweep", None, None),
    ],
)
def test_it_takes_lightsweep_from_where_this_one_came(tmp_path, monkeypatch, package, url, source):
    from lightsweep.cli import new

    for folder in ("tree/src/lightsweep", "site-packages/lightsweep", "a tree"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("tree/pyproject.toml", "a.whl"):
        (tmp_path / file).touch()
    info = tmp_path / "site-packages" / "lightsweep-1.dist-info"
    info.mkdir()
    if url is not None:
        (info / "direct_url.json").write_text(json.dumps({"url": url.format(here=tmp_path)}))
    monkeypatch.setattr(new, "PACKAGE", tmp_path / package)
    monkeypatch.syspath_prepend(tmp_path / "site-packages")

    make_project(tmp_path / "mine")

    text = (tmp_path / "mine" / "pyproject.toml").read_text()
    found = tomllib.loads(text)["tool"]["uv"].get("sources", {})
    wanted = {"lightsweep": {**source, "path": str(tmp_path / source["path"])}} if source is not None else {}
    assert found == wanted
    assert ("Colleagues and CI" in (tmp_path / "mine" / "README.md").read_text()) == bool(wanted)
    assert "index.example" not in text


def test_its_configuration_composes(tmp_path, monkeypatch):
    from lightsweep import compose

    make_project(tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine")

    assert compose().model._target_ == "mine.my_net.MyNet"
    assert compose(["sweeps=width"]).trust == ["mine"]


def test_its_test_trains_its_network_whatever_its_defaults_become(tmp_path, monkeypatch):
    import lightsweep

    project = tmp_path / "mine"
    make_project(project)
    (project / "conf" / "project" / "default.yaml").write_text(
        "# @package _global_\n"
        "defaults: [override /model: mlp, override /metrics: [mae], override /scheduler: plateau]\n"
        "trust: [mine]\nmonitor: val/mae\nmode: min\ncallbacks: {mine: {_target_: mine.Callback}}\n"
    )
    monkeypatch.chdir(project)
    trained = []

    def train(overrides, folder):
        trained.append(lightsweep.compose(overrides))
        return SimpleNamespace(status="completed", metrics={"test/acc": 1.0})

    monkeypatch.setattr(lightsweep, "train", train)

    runpy.run_path(str(project / "tests" / "test_my_net.py"))["test_my_net_learns_a_table"](tmp_path)

    (cfg,) = trained
    assert (cfg.model._target_, cfg.monitor, cfg.mode, cfg.metrics) == ("mine.my_net.MyNet", "auto", "auto", {})
    assert cfg.scheduler._target_ is None


def test_its_gitignore_keeps_the_data_and_not_the_configuration_of_data(tmp_path):
    make_project(tmp_path / "mine")

    ignored = (tmp_path / "mine" / ".gitignore").read_text().splitlines()

    assert {"/data/", "/outputs/"} <= set(ignored)  # without the slash before it, `data/` is `conf/data/` too


@pytest.mark.parametrize(
    "name",
    [
        *("1st", "my project", "a.b", "größe", "_mine", "mine-"),
        *("class", "json", "torch", "Torch", "hydra-core"),
        *("tests", "Tests", "data", "outputs", "hydra_plugins", "hydra-plugins", "shared"),
    ],
)
def test_a_name_that_is_no_packages_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=r"^a project's "):
        make_project(tmp_path / name)

    assert not (tmp_path / name).exists()


def test_a_namespace_of_installed_packages_is_taken_and_a_mere_folder_is_not(tmp_path, monkeypatch):
    for place, name in (("site-packages", "google"), ("here", "mine")):
        (tmp_path / place / name).mkdir(parents=True)
        monkeypatch.syspath_prepend(tmp_path / place)

    with pytest.raises(ConfigError, match=r"there is a package 'google' already$"):
        make_project(tmp_path / "new" / "google")
    assert make_project(tmp_path / "new" / "mine")


def test_a_folder_that_holds_something_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    make_project(tmp_path / "mine")
    (tmp_path / "file").write_text("x")

    for name in ("mine", "file"):
        with pytest.raises(ConfigError, match=rf"{name} is there already, and not an empty folder$"):
            make_project(tmp_path / name)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("x")

    with pytest.raises(ConfigError, match=r"file/mine/README\.md cannot be written: Not a directory$"):
        make_project(tmp_path / "file" / "mine")


def test_the_command_says_what_it_made(tmp_path, monkeypatch, capsys):
    from lightsweep.cli.new import new

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lightsweep", "mine"])

    new()

    assert capsys.readouterr().out.splitlines()[-1] == "next: cd mine && python train.py"
