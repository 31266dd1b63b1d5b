"""The study of a sweep's folder, opened to be read: nothing is made or changed, and no server is asked. Of a study that
lies elsewhere a sweep leaves a copy in its folder when it ends.

A folder may be a stranger's. So of what its configuration names only a file is read, and an interpolation in it, which
could ask for this machine's environment, is not resolved.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from lightsweep.config.passwords import masked
from lightsweep.errors import ConfigError, RunFolderError, one_line
from lightsweep.paths import SweepPaths
from lightsweep.reporting.runs import branch, read_mapping
from lightsweep.sweeping.storage import local_file, storage_spec


def open_saved_study(folder: Path) -> Study:
    """The study that a sweep's folder holds, or that lies in the file which its configuration names, or its copy.

    Raises:
        RunFolderError: it is on a server and the sweep has not ended, is not there or cannot be read: why, one line
            without a password.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    settings = read_mapping(SweepPaths(folder).multirun)
    sweeper, runtime = branch(settings, "hydra", "sweeper"), branch(settings, "hydra", "runtime")
    file = _file(folder, sweeper.get("storage"), Path(str(runtime.get("cwd") or ".")))
    own = file in (SweepPaths(folder).journal, SweepPaths(folder).study_copy)
    try:
        with file.open("rb") as start:
            is_sqlite = start.read(16) == b"SQLite format 3\0"
        if not is_sqlite:
            journal = JournalStorage(JournalFileBackend(str(file)))
            return optuna.load_study(study_name=_study_name(folder, sweeper, journal, own), storage=journal)
        memory = InMemoryStorage()
        with _copied(file) as storage:
            name = _study_name(folder, sweeper, storage, own)
            optuna.copy_study(from_study_name=name, from_storage=storage, to_storage=memory)
        return optuna.load_study(study_name=name, storage=memory)
    except (OSError, ValueError, KeyError, AssertionError, OptunaError, sqlite3.Error, SQLAlchemyError) as error:
        raise RunFolderError(f"its study cannot be read: {masked(one_line(error))}") from None


def _file(folder: Path, given: Any, start: Path) -> Path:
    """The file that the study is in; `start` is where the sweep was started."""
    paths = SweepPaths(folder)
    if paths.journal.is_file():
        return paths.journal
    try:
        file = local_file(storage_spec(given, folder, start)) if isinstance(given, str) and "${" not in given else None
    except ConfigError:
        file = None
    if file is not None and file.is_file():
        return file
    if paths.study_copy.is_file():
        return paths.study_copy
    trials = f"its trials are in {paths.trials.name}"
    if given is None:
        raise RunFolderError(f"its study is not in its folder; {trials}")
    if file is None:
        shown = masked(given) if isinstance(given, str) else "a storage made by a class"
        raise RunFolderError(f"its study is in {shown}, and its folder gets a copy when the sweep ends")
    raise RunFolderError(f"its study was in {file}, which is not there; {trials}")


def _study_name(folder: Path, sweeper: dict[str, Any], storage: BaseStorage, own: bool) -> str:
    """The study of this sweep among those of its storage; `own` storages lie in its folder."""
    names = [study.study_name for study in storage.get_all_studies()]
    if not names:
        raise ValueError("it holds no study")
    given = sweeper.get("study_name")
    wanted = f"{given}-{folder.name}" if sweeper.get("compare") else given  # as a comparison names those of its choices
    if wanted in names:
        return str(wanted)
    if len(names) == 1 and (given is None or own):
        return names[0]
    raise ValueError(f"of the studies {', '.join(names)} it is not known which is this sweep's")


@contextmanager
def _copied(file: Path) -> Iterator[RDBStorage]:
    """An SQLite file's storage, as a copy in memory: to open the file itself is to make tables in it, and files beside.

    A file that somebody writes has a log beside it, which is read too; for one without, even a reader would make one.
    """
    in_use = any(file.with_name(f"{file.name}-{end}").exists() for end in ("wal", "journal"))
    address = f"{file.absolute().as_uri()}?mode=ro{'' if in_use else '&immutable=1'}"
    with closing(sqlite3.connect(":memory:", check_same_thread=False)) as copy:
        with closing(sqlite3.connect(address, uri=True)) as source:
            source.backup(copy)
        storage = RDBStorage("sqlite://", engine_kwargs={"creator": lambda: copy, "poolclass": StaticPool})
        try:
            yield storage
        finally:
            storage.remove_session()
            storage.engine.dispose()
