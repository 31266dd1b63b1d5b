"""Hydra's files of a command wait where their folder holds a run, until that one is replaced or goes on."""

import pytest
import yaml

from lightsweep.config import hydra_files
from lightsweep.paths import RunPaths


@pytest.fixture
def paths(tmp_path, monkeypatch):
    monkeypatch.setattr(hydra_files, "_waiting", {})
    return RunPaths(tmp_path)


def test_a_new_folder_gets_them_at_once(paths):
    hydra_files.save(paths.overrides, "- seed=1")

    assert paths.overrides.read_text() == "- seed=1"


def test_those_of_an_earlier_run_stay_until_the_new_one_begins(paths):
    hydra_files.save(paths.overrides, "- seed=1")
    paths.result.touch()

    hydra_files.save(paths.overrides, "- seed=2")
    assert paths.overrides.read_text() == "- seed=1"
    hydra_files.save_waiting(paths.folder / "another")
    assert paths.overrides.read_text() == "- seed=1"
    hydra_files.save_waiting(paths.folder)
    assert paths.overrides.read_text() == "- seed=2"


def test_those_of_a_command_that_was_refused_are_dropped(paths):
    hydra_files.save(paths.overrides, "- seed=1")
    paths.result.touch()
    hydra_files.save(paths.overrides, "- seed=2")

    hydra_files.forget_waiting()
    hydra_files.save_waiting(paths.folder)

    assert paths.overrides.read_text() == "- seed=1"


def test_words_of_a_run_that_goes_on_are_added_when_it_does(paths):
    hydra_files.save(paths.overrides, "- seed=1\n- 'name=a: b'\n")
    paths.result.touch()

    hydra_files.save_further(paths, ["trainer.max_epochs=3"])
    assert "max_epochs" not in paths.overrides.read_text()
    hydra_files.save_waiting(paths.folder)

    assert yaml.safe_load(paths.overrides.read_text()) == ["seed=1", "name=a: b", "trainer.max_epochs=3"]


def test_a_run_from_python_has_no_words_to_add_to(paths):
    hydra_files.save_further(paths, ["trainer.max_epochs=3"])

    assert not paths.hydra.exists()
