"""The journal file: its lock, its torn and damaged lines, and the snapshot beside it."""

import multiprocessing
import pickle
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage

from lightsweep.errors import ConfigError
from lightsweep.sweeping.journal import SnapshotBackend, SweepJournal
from lightsweep.sweeping.journal_lock import FlockLock
from lightsweep.sweeping.storage import open_storage
from tests.sweeping.database_servers import connections_closed  # noqa: F401


@pytest.fixture(autouse=True)
def quiet_optuna():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def journal(path: Path) -> JournalStorage:
    return SweepJournal(SnapshotBackend(str(path), FlockLock(path)))


def locked(path: Path) -> None:
    lock = FlockLock(path)
    lock.acquire()
    lock.release()


@pytest.mark.parametrize("torn", [b'{"op_code": 4, "wor', b"\x00" * 200_000, b"{"])
def test_torn_last_line_is_cut_back(tmp_path, torn):
    path = tmp_path / "study.journal"
    optuna.create_study(storage=journal(path), study_name="s").add_trial(optuna.trial.create_trial(value=1.0))
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    locked(path)
    assert path.read_bytes() == whole
    assert len(optuna.load_study(study_name="s", storage=journal(path)).trials) == 1


def test_file_of_one_torn_line_becomes_empty(tmp_path):
    path = tmp_path / "study.journal"
    path.write_bytes(b'{"op_code"')
    locked(path)
    assert path.read_bytes() == b""


def _hold_and_die(path: Path, held) -> None:
    path.touch()
    FlockLock(path).acquire()
    held.set()
    multiprocessing.Event().wait()


def test_lock_of_a_killed_process_is_free_at_once(tmp_path):
    path = tmp_path / "study.journal"
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    process = context.Process(target=_hold_and_die, args=(path, held))
    process.start()
    assert held.wait(30)
    process.kill()
    process.join()
    locked(path)


def test_snapshot_gives_the_same_study_as_the_journal(tmp_path):
    path = tmp_path / "study.journal"
    study = optuna.create_study(storage=journal(path), study_name="s")
    space = {"x": optuna.distributions.FloatDistribution(0, 1), "c": optuna.distributions.CategoricalDistribution("ab")}
    for _ in range(103):
        trial = study.ask(space)
        trial.report(0.5, 1)
        study.tell(trial, trial.params["x"])
    assert path.with_name("study.journal.snapshot").exists()
    storage = journal(path)
    assert storage.get_all_trials(0) == study.trials
    path.with_name("study.journal.snapshot").unlink()
    assert journal(path).get_all_trials(0) == study.trials


def test_damaged_snapshot_is_passed_over_as_the_journal_holds_everything(tmp_path):
    path = tmp_path / "study.journal"
    study = optuna.create_study(storage=journal(path), study_name="s")
    for number in range(21):
        study.tell(study.ask(), number)
    snapshot = path.with_name("study.journal.snapshot")
    whole = snapshot.read_bytes()
    for place in range(100, len(whole), 50):
        snapshot.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert journal(path).get_all_trials(0) == study.trials, place


class _Harm:
    def __reduce__(self):
        return (Path.touch, (Path("harm"),))


def test_snapshot_with_anything_but_study_data_is_not_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "study.journal"
    optuna.create_study(storage=journal(path), study_name="s")
    SnapshotBackend(str(path), FlockLock(path)).save_snapshot(pickle.dumps(_Harm()))
    assert optuna.load_study(study_name="s", storage=journal(path)).trials == []
    assert not Path("harm").exists()


def test_snapshot_of_a_replaced_journal_is_not_used(tmp_path):
    path = tmp_path / "study.journal"
    study = optuna.create_study(storage=journal(path), study_name="old")
    for _ in range(101):
        study.tell(study.ask(), 1.0)
    path.rename(tmp_path / "moved")
    optuna.create_study(storage=journal(path), study_name="new")
    assert optuna.get_all_study_names(journal(path)) == ["new"]


def test_snapshot_of_a_deleted_journal_is_not_used_for_a_longer_one_with_its_inode(tmp_path):
    path = tmp_path / "study.journal"
    study = optuna.create_study(storage=journal(path), study_name="s")
    for _ in range(21):
        study.tell(study.ask(), 1.0)
    assert path.with_name("study.journal.snapshot").exists()
    path.write_bytes(b"")
    new = optuna.create_study(storage=journal(path), study_name="s")
    for _ in range(19):
        new.enqueue_trial({"x": 0.25}, user_attrs={"note": "long" * 200})
    assert [trial.value for trial in optuna.load_study(study_name="s", storage=journal(path)).trials] == [None] * 19


@pytest.mark.parametrize(
    "text", ["my notes", "my notes\nand more\n", '{"a": 1}', '{"a": 1}\n', "[1]\n", "\n", "{\n}\n", "\xff\xfe\x00\n"]
)
def test_file_that_is_no_journal_is_left_as_it_is(tmp_path, text):
    path = tmp_path / "notes.log"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"notes\.log is no journal"):
        open_storage(f"journal:{path}")
    assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("torn", [b"", b"{", b'{"op_code"', b'{"op_code":0,"worker', b"\x00" * 100])
def test_journal_that_was_hardly_begun_is_one(tmp_path, torn):
    path = tmp_path / "study.journal"
    path.write_bytes(torn)
    assert open_storage(f"journal:{path}").get_all_studies() == []


@pytest.mark.parametrize("text", ["no json\n", "{}\n", "[1]\n", "\n", "\x00\n", "no json\n{}\n", "no json\n{}"])
def test_journal_with_a_damaged_line_is_told_in_one_line_and_left_as_it_is(tmp_path, text):
    path = tmp_path / "study.journal"
    study = optuna.create_study(storage=journal(path), study_name="s")
    for _ in range(3):
        study.ask()
    before = path.read_text()
    number = before.count("\n") + 1
    path.write_text(before + text)
    with pytest.raises(
        ConfigError, match=rf"study\.journal is damaged: its line {number} is none of a study's; delete"
    ):
        open_storage(f"journal:{path}")
    assert path.read_text() == before + text


def test_journal_with_a_damaged_line_in_its_midst_is_told_in_one_line(tmp_path):
    path = tmp_path / "study.journal"
    optuna.create_study(storage=journal(path), study_name="s")
    line = path.read_text()
    path.write_text(line + "no json\n" + line)
    with pytest.raises(ConfigError, match=r"study\.journal is damaged: its line 2 is none of a study's; delete"):
        open_storage(f"journal:{path}").get_all_studies()
