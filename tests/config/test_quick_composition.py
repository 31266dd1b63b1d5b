"""Compositions are quicker than Hydra's own, and the same."""

import json
import os
import subprocess
import sys

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from lightsweep.config.hydra_patches import prepare_hydra
from lightsweep.paths import conf_dir

LINES = [
    ["optimizer=adam", "model=mlp", "data.batch_size=32"],
    ["experiment=fast99", "logger=[csv,tensorboard]", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=3"],
    ["data=csv", "data.path=table.csv", "data.target=y", "+hydra.job.env_set.A=b", "~scheduler"],
]
COMPOSED = """
import json, sys
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

lines = json.loads(sys.argv[2])
with initialize_config_dir(sys.argv[1], version_base="1.3"):
    print(json.dumps([OmegaConf.to_yaml(compose("train", line, return_hydra_config=True)) for line in lines]))
"""


@pytest.fixture(autouse=True)
def quick():
    prepare_hydra()


@pytest.fixture
def composed(tmp_path):
    def composed(*overrides):
        with initialize_config_dir(str(tmp_path), version_base="1.3"):
            return compose("app", list(overrides))

    return composed


def test_it_is_what_hydra_alone_composes():
    command = [sys.executable, "-c", COMPOSED, str(conf_dir()), json.dumps(LINES)]
    theirs = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    for _ in range(2):  # as it is read, and as it is remembered
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            ours = [OmegaConf.to_yaml(compose("train", line, return_hydra_config=True)) for line in LINES]
        assert ours == theirs


def test_a_file_that_changed_is_read_anew_though_its_size_and_time_are_the_same(tmp_path, composed):
    file = tmp_path / "app.yaml"
    for value in (1, 2):
        file.write_text(f"x: {value}\n")
        os.utime(file, ns=(0, 0))
        assert composed() == {"x": value}


def test_a_file_that_did_not_change_is_parsed_once(tmp_path, composed, monkeypatch):
    parsed, original = [], OmegaConf.load

    def load(file):
        parsed.append(getattr(file, "name", ""))
        return original(file)

    monkeypatch.setattr(OmegaConf, "load", load)
    (tmp_path / "app.yaml").write_text("x: 3\n")
    assert [composed(), composed("x=4"), composed()] == [{"x": 3}, {"x": 4}, {"x": 3}]
    assert parsed.count(str(tmp_path / "app.yaml")) == 1


def test_what_one_does_to_a_configuration_is_not_in_the_next(tmp_path, composed):
    (tmp_path / "app.yaml").write_text("x: {y: 1}\n")
    composed().x.y = 2
    assert composed() == {"x": {"y": 1}}


def test_defaults_that_stand_for_what_was_chosen_and_files_in_packages(tmp_path, composed):
    for name, text in {
        "app": "defaults: [a: one, b: '${a}', more/deep@put.here: x]\n",
        "a/one": "k: 1\n",
        "a/two": "k: 2\n",
        "b/one": "n: 1\n",
        "b/two": "n: 2\nm: ${b.n}\n",
        "more/deep/x": "# @package _global_\nz: ${b.n}\n",
    }.items():
        (tmp_path / f"{name}.yaml").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.yaml").write_text(text)

    assert composed() == {"a": {"k": 1}, "b": {"n": 1}, "put": {"here": {"z": 1}}}
    assert composed("a=two") == {"a": {"k": 2}, "b": {"n": 2, "m": 2}, "put": {"here": {"z": 2}}}
    assert composed("a=two", "b.n=3").b.m == 3
