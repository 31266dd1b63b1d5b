"""Storages: their addresses and passwords, SQLite files, and what is said when one cannot be used."""

import multiprocessing
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from omegaconf import OmegaConf
from sqlalchemy.engine import make_url

from lightsweep.config.passwords import masked
from lightsweep.errors import ConfigError
from lightsweep.launching.work_order import SECRET
from lightsweep.sweeping.storage import (
    _open_once,
    fold_log,
    lock_path,
    open_storage,
    packed,
    storage_spec,
    taking_turns,
    unpacked,
)
from lightsweep.sweeping.task_run import mask_storage
from tests.sweeping.database_servers import connections_closed  # noqa: F401


@pytest.fixture(autouse=True)
def quiet_optuna():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.mark.parametrize(
    ("given", "spec"),
    [
        (None, "journal:/sweep/study.journal"),
        ("journal:/a/b", "journal:/a/b"),
        ("journal:///a/b", "journal:/a/b"),
        ("/a/b.journal", "journal:/a/b.journal"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
        ("postgresql://u:p@h/d", "postgresql://u:p@h/d"),
    ],
)
def test_storage_address(given, spec):
    assert storage_spec(given, Path("/sweep")) == spec


def test_relative_addresses_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert storage_spec("sqlite:///a.db", tmp_path) == f"sqlite:///{tmp_path}/a.db"
    assert storage_spec("journal:a", tmp_path) == f"journal:{tmp_path}/a"


@pytest.mark.parametrize(
    "given",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite+pysqlite://",
        "sqlite:///:memory:",
        "sqlite:///file::memory:?cache=shared&uri=true",
        "sqlite:///file:study?mode=memory&uri=true",
    ],
)
def test_database_in_memory_is_refused(given):
    with pytest.raises(ConfigError, match=r"must not be a database in memory, .* but is sqlite.*leave it out"):
        storage_spec(given, Path("/sweep"))


def test_an_at_sign_in_a_password_is_refused_and_not_in_a_users_name():
    with pytest.raises(ConfigError, match=r"^`hydra\.sweeper\.storage` mysql://me:\*\*\*@h/d has an `@` in .* %40"):
        storage_spec("mysql://me:p@ss@h/d", Path("/sweep"))
    assert storage_spec("mysql://me@corp:p@h/d", Path("/sweep")) == "mysql://me@corp:p@h/d"


@pytest.mark.parametrize(
    ("scheme", "advice"),
    [("oracle", "install it"), ("mysql+mysqldb", "install it, or write mysql://, which takes pymysql")],
)
def test_a_driver_that_is_not_installed_is_told(scheme, advice):
    text = f"needs the driver of {scheme}://, which is not installed: {advice}"
    with pytest.raises(ConfigError, match=f"{re.escape(text)}$"):
        open_storage(f"{scheme}://me:word@h/d")


def test_a_copy_of_an_sqlite_file_has_the_study(tmp_path, connections_closed):  # noqa: F811
    spec = f"sqlite:///{tmp_path}/study.db"
    study = optuna.create_study(storage=open_storage(spec, for_sweep=True), study_name="s")
    study.add_trial(optuna.trial.create_trial(value=0.5))

    fold_log(spec)
    (tmp_path / "copy.db").write_bytes((tmp_path / "study.db").read_bytes())

    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT value FROM trial_values").fetchall() == [(0.5,)]


def test_claims_lock_lies_beside_a_file_and_else_in_the_sweeps_folder():
    assert lock_path("journal:/a/b", Path("/sweep")) == Path("/a/b.claims")
    assert lock_path("sqlite:////a/b.db", Path("/sweep")) == Path("/a/b.db.claims")
    assert lock_path("mysql://h/d", Path("/sweep")) == Path("/sweep/study.claims")


def test_passwords_are_masked():
    assert masked("storage=mysql+pymysql://me:p@ss@host/db now") == "storage=mysql+pymysql://me:***@host/db now"
    assert masked("login p4ss failed", "mysql://me:p4ss@host/db") == "login *** failed"
    assert masked("sqlite:///a.db") == "sqlite:///a.db"
    ordinary = "postgresql://postgres:postgres@host/db"
    assert masked(f"{ordinary}: postgresql refuses 'postgres'", ordinary) == (
        "postgresql://***:***@host/db: postgresql refuses '***'"
    )


ODD_PASSWORDS = ["pa/ss", "pa?s#s", "pa:/ss", "secret@word", "p%2Fss"]


@pytest.mark.parametrize("password", ODD_PASSWORDS)
@pytest.mark.parametrize("user", ["me", "me@corp", ""])
def test_odd_passwords_are_masked_and_kept_out_of_files(monkeypatch, user, password):
    monkeypatch.delenv(SECRET, raising=False)
    url = f"postgresql+psycopg://{user}:{password}@host:5432/db"
    assert masked(f"storage='{url}' now") == f"storage='postgresql+psycopg://{user}:***@host:5432/db' now"
    told = make_url(url)  # what SQLAlchemy takes for the password, and what is left of it then in the host's name
    assert masked(f"no {told.password} at {told.host}", url) in ("no *** at host", "no *** at ***@host")
    spec = packed(url)
    assert url not in str(spec)
    assert unpacked(spec) == url


@pytest.mark.parametrize("url", ["postgresql://me@host:5432/db", "sqlite:////a:b@c.db", "journal:/a:b@c", "grpc://h:1"])
def test_a_url_without_a_password_stays_as_it_is(url):
    assert packed(url) == masked(url) == url


@pytest.mark.parametrize("password", ODD_PASSWORDS)
def test_odd_passwords_are_not_in_a_sweeps_configuration(password):
    url = f"mysql://me:{password}@host/db"
    line = f"hydra.sweeper.storage='{url}'"
    config = OmegaConf.create({"hydra": {"sweeper": {"storage": url}, "overrides": {"hydra": [line]}}})
    mask_storage(config)
    assert config.hydra.sweeper.storage == "mysql://me:***@host/db"
    assert config.hydra.overrides.hydra == ["hydra.sweeper.storage='mysql://me:***@host/db'"]


def test_unusable_storages_are_told_in_one_line(tmp_path):
    with pytest.raises(ConfigError, match="must be a URL or journal:FILE but got 'nothing'"):
        open_storage("nothing")
    with pytest.raises(ConfigError, match=r"nosuchdb://me:\*\*\*@h/d cannot be used"):
        open_storage("nosuchdb://me:word@h/d")
    (tmp_path / "text.db").write_text("this is no database" * 100)
    with pytest.raises(ConfigError, match=r"text\.db is no SQLite database"):
        open_storage(f"sqlite:///{tmp_path}/text.db")


@pytest.mark.parametrize("table", ["studies (name TEXT)", "alembic_version (version_num TEXT)"])
def test_database_of_another_program_with_a_table_of_optunas_name_is_left_as_it_is(tmp_path, table):
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE {table}")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"other\.db belongs to another program"):
        open_storage(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_settings_of_a_connection_are_no_part_of_the_files_name(tmp_path, connections_closed):  # noqa: F811
    open_storage(f"sqlite:///{tmp_path}/a.db?check_same_thread=false", for_sweep=True)
    assert {path.name.partition("-")[0] for path in tmp_path.iterdir()} == {"a.db", "a.db.making"}


def test_database_of_another_program_takes_optunas_tables(tmp_path, connections_closed):  # noqa: F811
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes (text TEXT)")
    assert open_storage(f"sqlite:///{path}").get_all_studies() == []


def _open_at_once(url: str, together, errors) -> None:
    together.wait()
    try:
        open_storage(url, for_sweep=True)
    except ConfigError as error:
        errors.put(str(error))
    else:
        errors.put(None)


def test_processes_that_make_a_database_at_once_do_not_trip_over_each_other(tmp_path):
    context = multiprocessing.get_context("fork")
    for index in range(3):
        together, errors = context.Barrier(3), context.Queue()
        url = f"sqlite:///{tmp_path}/new/{index}.db"
        processes = [context.Process(target=_open_at_once, args=(url, together, errors)) for _ in range(3)]
        for process in processes:
            process.start()
        assert [errors.get(timeout=60) for _ in processes] == [None] * 3
        for process in processes:
            process.join()


def test_storage_of_another_version_is_told(tmp_path, connections_closed):  # noqa: F811
    url = f"sqlite:///{tmp_path}/old.db"
    optuna.create_study(storage=url)
    with sqlite3.connect(tmp_path / "old.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v0.9.0.a'")
    connection.close()
    with pytest.raises(ConfigError, match=r"old\.db cannot be used: The runtime optuna version"):
        open_storage(url)


@pytest.mark.parametrize("spec", ["journal:{}/study.journal", "sqlite:///{}/study.db"])
@pytest.mark.parametrize("stays", [True, False])
def test_a_study_that_was_moved_is_not_begun_anew_by_a_job(tmp_path, connections_closed, spec, stays):  # noqa: F811
    there = tmp_path / "there"
    spec = spec.format(there)
    open_storage(spec, for_sweep=True)
    _open_once.cache_clear()  # a job is a process of its own
    there.rename(tmp_path / "moved")
    if stays:
        there.mkdir()

    with pytest.raises(FileNotFoundError, match=str(there)), taking_turns(spec, there):
        open_storage(spec)

    assert not any(path.suffix in (".journal", ".db") for path in there.glob("*"))


def test_a_host_that_has_no_folder_of_the_sweep_takes_turns_by_itself(tmp_path):
    with taking_turns("postgresql://host/studies", tmp_path / "a" / "sweep"):
        assert (tmp_path / "a" / "sweep").is_dir()
