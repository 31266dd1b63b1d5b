"""What a run notes of its surroundings."""

import subprocess

import pytest

from lightsweep.training.environment import git_state


@pytest.fixture
def git(monkeypatch, tmp_path):
    """Runs git in a folder of its own, which is the present one."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        known = ("-c", "user.name=me", "-c", "user.email=me@example.org")
        return subprocess.run(["git", *known, *arguments], check=True, capture_output=True, text=True).stdout.strip()

    return run


def test_outside_of_git_and_before_the_first_commit_there_is_no_commit(git):
    assert git_state() is None
    git("init")
    assert git_state() is None


def test_a_changed_file_makes_a_commit_dirty_and_a_new_one_does_not(git, tmp_path):
    git("init")
    (tmp_path / "train.py").write_text("one")
    git("add", ".")
    git("commit", "-m", "first")
    (tmp_path / "notes.txt").write_text("new")
    commit = git("rev-parse", "HEAD")

    assert git_state() == {"commit": commit, "dirty": False}
    (tmp_path / "train.py").write_text("two")
    assert git_state() == {"commit": commit, "dirty": True}
