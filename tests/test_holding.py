"""Whether a process holds a run's folder."""

import pytest
from filelock import FileLock

from lightsweep.holding import is_held


def test_a_lock_is_held_while_somebody_has_it(tmp_path):
    lock = tmp_path / ".lock"
    with FileLock(lock):
        assert is_held(lock) is True
    assert is_held(lock) is False
    with FileLock(lock, timeout=0):  # the question does not keep it
        pass


def test_the_question_changes_nothing(tmp_path):
    lock = tmp_path / ".lock"
    assert is_held(lock) is None
    assert list(tmp_path.iterdir()) == []
    lock.write_text("kept")
    before = lock.stat()
    lock.chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        assert is_held(lock) is False
    finally:
        tmp_path.chmod(0o700)
    assert (lock.read_text(), lock.stat().st_mtime_ns) == ("kept", before.st_mtime_ns)


@pytest.mark.parametrize("error", [PermissionError(13, "no"), OSError(38, "no locks here")])
def test_a_lock_that_cannot_be_asked_tells_nothing(tmp_path, monkeypatch, error):
    lock = tmp_path / ".lock"
    lock.touch()

    def refuse(*_):
        raise error

    monkeypatch.setattr("fcntl.flock", refuse)
    assert is_held(lock) is None
