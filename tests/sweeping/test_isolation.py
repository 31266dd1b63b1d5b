"""What a trial changes in its process is as it was for the next."""

import os
import sys

import pytest

from lightsweep.sweeping.isolation import Command, isolated_task


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder of the task's own; the test runs beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


@pytest.mark.parametrize("stays", [True, False])
def test_folder_environment_and_command_line_are_taken_back(stays, elsewhere):
    before = os.getcwd(), dict(os.environ), list(sys.argv)
    with isolated_task(Command("app.py", None, ()), ["x=1"], 3):
        os.chdir(elsewhere)
        os.environ["A_WORD"] = "of the task"
        if not stays:
            elsewhere.rmdir()
        assert sys.argv == ["app.py", "x=1", "hydra.mode=RUN"]
    assert (os.getcwd(), dict(os.environ), list(sys.argv)) == before


def test_a_folder_that_is_gone_before_the_task_begins_is_left_to_the_task(elsewhere, monkeypatch):
    monkeypatch.chdir(elsewhere)
    elsewhere.rmdir()
    with isolated_task(Command("app.py", None, ()), [], None):
        os.chdir(elsewhere.parent)
    assert os.getcwd() == str(elsewhere.parent)
