"""Processes that are forked one after the other, as the warm server forks a sweep's jobs."""

import os
import pickle

import optuna
import pytest

from lightsweep.sweeping import warm_journal
from lightsweep.sweeping.journal import SweepJournal


@pytest.fixture(autouse=True)
def new_server(monkeypatch):
    monkeypatch.setattr(warm_journal, "_followed", None)
    warm_journal._told[:2] = bytes(2)


@pytest.fixture
def lines(monkeypatch):
    """How many lines of the journal the process has replayed."""
    read = []
    original = SweepJournal._sync_with_backend

    def counting(self):
        before = self._replay_result.log_number_read
        original(self)
        read.append(self._replay_result.log_number_read - before)

    monkeypatch.setattr(SweepJournal, "_sync_with_backend", counting)
    return read


def forked(function, *args):
    """What the function gives in a process of its own."""
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        os.write(writing, pickle.dumps(function(*args)))
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as answer:
        value = pickle.load(answer)
    os.waitpid(pid, 0)
    return value


def run_trials(path, count=1):
    storage = warm_journal.open_journal(path, make=True)
    study = optuna.create_study(storage=storage, study_name="s", load_if_exists=True)
    for _ in range(count):
        trial = study.ask()
        study.tell(trial, trial.suggest_float("x", 0, 1))
    return storage._worker_id_prefix, study.trials


def test_a_job_reads_what_came_since_it_was_forked(tmp_path, lines):
    path = tmp_path / "study.journal"
    forked(run_trials, path, 30)

    def job():
        lines.clear()
        run_trials(path)
        return sum(lines)

    assert forked(job) == forked(job) < 10


def test_jobs_are_told_apart_and_see_each_others_trials(tmp_path):
    path = tmp_path / "study.journal"
    answers = [forked(run_trials, path) for _ in range(4)]

    assert len({worker for worker, _ in answers}) == 4
    assert [len(trials) for _, trials in answers] == [1, 2, 3, 4]
    fresh = warm_journal.open_journal(path)
    assert fresh is not warm_journal._followed.journal
    assert fresh.get_all_trials(0) == answers[-1][1]


@pytest.mark.parametrize("end", ["replaced", "deleted", "another"])
def test_another_journal_is_read_anew(tmp_path, end):
    path = tmp_path / "study.journal"
    for _ in range(2):
        forked(run_trials, path, 3)
    if end == "another":
        path = tmp_path / "other.journal"
    else:
        path.rename(tmp_path / "moved.journal")
    if end == "replaced":
        path.touch()

    assert [len(forked(run_trials, path)[1]) for _ in range(3)] == [1, 2, 3]


def test_a_journal_that_cannot_be_read_is_the_jobs_to_tell(tmp_path):
    path = tmp_path / "study.journal"
    forked(run_trials, path)
    path.write_text("no journal\n" * 3)

    assert forked(lambda: 1) == 1
    assert warm_journal._followed is None
