"""Where a study is kept: a journal file in the sweep's folder, or any storage that Optuna has a URL for."""

import errno
import functools
import json
import logging
import os
import re
import sqlite3
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage, get_storage

from lightsweep.config.passwords import masked, passwords
from lightsweep.errors import ConfigError
from lightsweep.launching.work_order import SECRET
from lightsweep.paths import SweepPaths
from lightsweep.sweeping.journal_lock import damage, exclusive
from lightsweep.sweeping.patient_storage import PATIENCE_S, PatientStorage, waited_for
from lightsweep.sweeping.server import open_server
from lightsweep.sweeping.warm_journal import open_journal

log = logging.getLogger(__name__)

SQLITE_TIMEOUT_S = 60
_IN_ENVIRONMENT = "in_environment"
_IN_MEMORY = re.compile(r"sqlite(\+\w+)?:(//|///|///:memory:.*|///file:.*(:memory:|mode=memory).*)")
StorageSpec = str | Mapping[str, Any]


def storage_spec(given: str | Mapping[str, Any] | None, folder: Path, start: Path = Path()) -> StorageSpec:
    """The setting `storage` in a form that every process reads alike: paths are absolute.

    Args:
        given: None for a journal in `folder`, `journal:PATH`, the path of a `.journal` or `.log` file, a URL, or a
            mapping with a `_target_`.
        folder: the sweep's folder.
        start: the folder that relative paths start from.

    Raises:
        ConfigError: it is none of these, or a database in memory, which each process, even each thread, has anew.
    """
    if given is None:
        return f"journal:{SweepPaths(folder).journal.absolute()}"
    if isinstance(given, Mapping) and "_target_" in given:
        return dict(given)
    if not isinstance(given, str):
        raise ConfigError(
            f"`hydra.sweeper.storage` must be a URL, a journal file or a mapping with a _target_ but got {given!r}"
        )
    if _IN_MEMORY.fullmatch(given):
        raise ConfigError(
            "`hydra.sweeper.storage` must not be a database in memory, which cannot be shared with the jobs, "
            f"but is {given}; leave it out for a journal in the sweep's folder"
        )
    if re.match(r"\w[\w+.-]*://[^/:]*:[^@/?#]*@[^/?#]*@", given):
        raise ConfigError(
            f"`hydra.sweeper.storage` {masked(given)} has an `@` in its password: "
            "write `@`, `:` and `/` in it as %40, %3A and %2F"
        )
    if given.startswith("journal:"):
        path = re.sub(r"^//(?=/)", "", given.removeprefix("journal:"))
        return f"journal:{(start / path).absolute()}"
    if "://" not in given and Path(given).suffix in (".journal", ".log"):
        return f"journal:{(start / given).absolute()}"
    relative = re.fullmatch(r"sqlite:///(?!/)(.+)", given)
    return f"sqlite:///{(start / relative[1]).absolute()}" if relative else given


def lock_path(spec: StorageSpec, folder: Path) -> Path:
    """The file on which claims of one study take turns: beside a storage that is a file, else in the sweep's folder."""
    file = local_file(spec)
    return SweepPaths(folder).claims if file is None else file.with_name(file.name + ".claims")


def taking_turns(spec: StorageSpec, folder: Path) -> AbstractContextManager[None]:
    """Hold the lock of a study's claims; that of a server lies in the sweep's folder, which a job's host may not have.

    Raises:
        FileNotFoundError: the folder of the study's file was moved or deleted.
    """
    path = lock_path(spec, folder)
    if local_file(spec) is None:
        path.parent.mkdir(parents=True, exist_ok=True)
    return exclusive(path)


def packed(spec: StorageSpec) -> StorageSpec:
    """`spec` as it may be written into a file: one that may hold a password goes into this process's environment.

    Launchers hand the environment down to their jobs, but some write the jobs themselves into files.
    """
    if isinstance(spec, str) and not passwords(spec):
        return spec
    os.environ[SECRET] = json.dumps(spec)
    return {_IN_ENVIRONMENT: SECRET}


def unpacked(spec: StorageSpec) -> StorageSpec:
    """What `packed` was given.

    Raises:
        ConfigError: the environment did not come along.
    """
    if not isinstance(spec, Mapping) or _IN_ENVIRONMENT not in spec:
        return spec
    if spec[_IN_ENVIRONMENT] not in os.environ:
        raise ConfigError(
            f"a job was started without {spec[_IN_ENVIRONMENT]} in its environment, which says how "
            "`hydra.sweeper.storage` is reached: let the launcher hand the environment down"
        )
    found: StorageSpec = json.loads(os.environ[spec[_IN_ENVIRONMENT]])
    return found


def open_storage(spec: StorageSpec, for_sweep: bool = False) -> BaseStorage:
    """The storage, opened once a process; one on a server bears with its absence.

    Args:
        spec: what `storage_spec` gave.
        for_sweep: opened by the sweep itself, before its jobs: a file is made where there is none, a server that is
            away is a mistake then and no loss, and later this process is the one that tells of it.

    Raises:
        ConfigError: it cannot be reached, is of another version of Optuna, or is not a storage.
        FileNotFoundError: its file was moved or deleted since the sweep began.
    """
    key = spec if isinstance(spec, str) else repr(sorted(spec.items()))
    return _open_once(_Spec(key, spec, for_sweep), os.getpid())


@dataclass(frozen=True)
class _Spec:
    """A storage specification that hashes by its text."""

    key: str
    spec: StorageSpec = field(compare=False)
    for_sweep: bool = field(compare=False)


@functools.lru_cache(maxsize=8)
def _open_once(key: _Spec, pid: int) -> BaseStorage:
    """Opened for one process: a forked child must not share its parent's connection or worker name."""
    spec = key.spec
    try:
        return _open(spec, key.for_sweep)
    except ConfigError:
        raise
    except Exception as error:
        if isinstance(error, FileNotFoundError) and not key.for_sweep:  # it was there when the sweep began
            raise
        raise unusable(spec, error) from None  # the cause may quote the password


def unusable(spec: StorageSpec, error: Exception) -> ConfigError:
    """What is told of a storage that cannot be used, by what it raised."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
    said = re.sub(r"\(Background on this error at: \S+\)", "", str(cause))
    told = " ".join(said.split())[:300] or type(cause).__name__
    shown = masked(spec) if isinstance(spec, str) else spec["_target_"]
    why = f"cannot be used: {masked(told, spec)}"
    if shown.startswith("journal:") and not isinstance(error, OSError):
        why = damage(Path(shown.removeprefix("journal:"))) or why
    return ConfigError(f"`hydra.sweeper.storage` {shown} {why}")


def _open(spec: StorageSpec, for_sweep: bool) -> BaseStorage:
    if isinstance(spec, Mapping):
        from hydra.utils import instantiate

        storage = instantiate(dict(spec))
        if not isinstance(storage, BaseStorage):
            raise ConfigError(f"`hydra.sweeper.storage` made a {type(storage).__name__}, which is no Optuna storage")
        return get_storage(storage)
    file = local_file(spec)
    if file is not None:
        journal = spec.startswith("journal:")
        return open_journal(file, for_sweep) if journal else get_storage(_open_sqlite(spec, file, for_sweep))
    if "://" not in spec:
        raise ConfigError(f"`hydra.sweeper.storage` must be a URL or journal:FILE but got {spec!r}")
    storage = waited_for(lambda: open_server(spec), 0.0 if for_sweep else PATIENCE_S)
    return PatientStorage(storage, masked(spec), speaks=for_sweep)


def _open_sqlite(url: str, path: Path, make: bool) -> RDBStorage:
    """SQLite with a write-ahead log, which is set once, when the file is made: 115 ms a trial instead of 741."""
    if make:
        path.parent.mkdir(parents=True, exist_ok=True)
    elif not path.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    # Two that make the tables at the same moment trip over each other. Not the lock of the claims, which this process
    # may hold already.
    lock = path.with_name(path.name + ".making")
    with nullcontext() if path.exists() and _has_tables(path) else exclusive(lock):
        if not path.exists():
            connection = sqlite3.connect(path, timeout=SQLITE_TIMEOUT_S)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.close()
        return RDBStorage(url, engine_kwargs={"connect_args": {"timeout": SQLITE_TIMEOUT_S}})


def fold_log(spec: StorageSpec) -> None:
    """Bring into an SQLite file what its log beside it holds, so that a copy of the file alone has the study.

    SQLite does so when the last connection is closed, which a process that ends at once leaves out.
    """
    file = local_file(spec)
    if file is not None and isinstance(spec, str) and spec.startswith("sqlite:///"):
        with closing(sqlite3.connect(file, timeout=SQLITE_TIMEOUT_S)) as connection:
            try:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            except sqlite3.OperationalError as error:  # a full disk: nothing is lost, and no reason to end otherwise
                log.warning(f"{file} is to be copied with the -wal beside it: {error}")


def _has_tables(path: Path) -> bool:
    """Whether all of Optuna's tables are made in a file, which is refused where they cannot be in it.

    Optuna makes `studies` first and fills `alembic_version` last, so a database that another process is making has not
    got them all, and is not refused. Tables of other names do no harm.
    """
    with closing(sqlite3.connect(path, timeout=SQLITE_TIMEOUT_S)) as connection:
        try:
            columns = {
                table: {column for _, column, *_ in connection.execute(f"PRAGMA table_info({table})")}
                for table in ("studies", "alembic_version")
            }
            has_version = columns["alembic_version"] and connection.execute("SELECT * FROM alembic_version").fetchone()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            raise ConfigError(f"`hydra.sweeper.storage` {path} is no SQLite database: {error}") from None
    has_studies = "study_id" in columns["studies"]
    if not has_studies and (columns["studies"] or columns["alembic_version"]):
        raise ConfigError(
            f"`hydra.sweeper.storage` {path} belongs to another program, whose tables have names of Optuna's; "
            "name another file, or one that is not there yet"
        )
    return has_studies and bool(has_version)


def local_file(spec: StorageSpec) -> Path | None:
    """The file that the storage is, or None when it is a server."""
    if isinstance(spec, str) and spec.startswith("journal:"):
        return Path(spec.removeprefix("journal:"))
    if isinstance(spec, str) and spec.startswith("sqlite:///"):
        return Path(spec.removeprefix("sqlite:///").partition("?")[0])
    return None
