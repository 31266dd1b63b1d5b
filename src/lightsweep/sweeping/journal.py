"""Optuna's journal storage with a snapshot beside the file, so that a fresh process does not replay a long journal.

Replaying 10,000 lines (1,000 trials) takes 100 ms, loading their snapshot 7 ms; each job would pay it that no process
with the journal in memory has forked (`warm_journal`). The snapshot is a pickle, read by a loader that knows the few
classes a snapshot is made of.
"""

import hashlib
import io
import json
import os
import pickle
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optuna import copy_study
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend
from optuna.storages.journal._base import BaseJournalSnapshot  # neither has a public name
from optuna.storages.journal._storage import JournalStorageReplayResult
from optuna.trial import FrozenTrial

from lightsweep.files import write_bytes
from lightsweep.sweeping.journal_lock import FlockLock

_TRIALS_A_SNAPSHOT = 20
_ALLOWED = {
    ("builtins", "set"),
    ("datetime", "datetime"),
    ("collections", "OrderedDict"),
    ("optuna.storages.journal._storage", "JournalStorageReplayResult"),
    ("optuna.study._frozen", "FrozenStudy"),
    ("optuna.study._study_direction", "StudyDirection"),
    ("optuna.trial._frozen", "FrozenTrial"),
    ("optuna.trial._state", "TrialState"),
    ("optuna.distributions", "FloatDistribution"),
    ("optuna.distributions", "IntDistribution"),
    ("optuna.distributions", "CategoricalDistribution"),
}


class SnapshotBackend(JournalFileBackend, BaseJournalSnapshot):
    """A journal file with its snapshot at `<file>.snapshot`.

    Args:
        path: the journal file.
        lock: taken for each append.
    """

    def __init__(self, path: str, lock: FlockLock) -> None:
        super().__init__(path, lock_obj=lock)  # type: ignore[arg-type]  # Optuna's base class is private
        self._journal = Path(path)
        self._snapshot = Path(path + ".snapshot")

    def save_snapshot(self, snapshot: bytes) -> None:
        """Replace the snapshot at one stroke.

        Before it stand the journal's identity, by which a replaced journal is noticed, how many lines and bytes of the
        journal are in it, so that nobody needs to read those again, and a checksum.
        """
        lines, offset = max(self._log_number_offset.items())
        head = f"{identity(self._journal)} {lines} {offset} {zlib.crc32(snapshot)}\n"
        write_bytes(self._snapshot, head.encode() + snapshot)

    def load_snapshot(self) -> bytes | None:
        """The snapshot, or None when there is none, or it is damaged or was made of another file."""
        try:
            head, _, snapshot = self._snapshot.read_bytes().partition(b"\n")
            made_of, lines, offset, checksum = head.decode().split()
            is_whole = int(checksum) == zlib.crc32(snapshot)
            if not is_whole or made_of != identity(self._journal) or int(offset) > os.stat(self._journal).st_size:
                return None
            self._log_number_offset[int(lines)] = int(offset)
        except (FileNotFoundError, ValueError):
            return None
        return snapshot


def identity(journal: Path) -> str:
    """What tells a journal from a new one in its place, which may have its inode: its first line has a random id."""
    with journal.open("rb") as file:
        return hashlib.sha256(file.readline()).hexdigest()


class SweepJournal(JournalStorage):
    """Optuna's journal storage that takes nothing but study data from a snapshot, and writes one more often."""

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """As Optuna's, with a snapshot for every 20 trials instead of 100: every process replays what came since."""
        trial_id = super().create_new_trial(study_id, template_trial)
        if trial_id % _TRIALS_A_SNAPSHOT == 0 and trial_id > 0:
            with self._thread_lock:
                self._share_distributions()
                assert isinstance(self._backend, SnapshotBackend)
                self._backend.save_snapshot(pickle.dumps(self._replay_result))
        return trial_id

    def restore_replay_result(self, snapshot: bytes) -> None:
        """Start from the snapshot; one that cannot be read is passed over, since the journal holds everything."""
        try:
            result = _StudyUnpickler(io.BytesIO(snapshot)).load()
        except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError):
            return
        if isinstance(result, JournalStorageReplayResult):
            self._start_from(result)

    def become_own(self) -> None:
        """For a process that was forked with it: tell what this one writes from what the other does."""
        self._worker_id_prefix = f"{uuid.uuid4()}-"
        self._start_from(self._replay_result)

    def _start_from(self, result: JournalStorageReplayResult) -> None:
        result._worker_id_prefix = self._worker_id_prefix
        result._worker_id_to_owned_trial_id = {}
        result._last_created_trial_id_by_this_process = -1
        self._replay_result = result

    def _share_distributions(self) -> None:
        """Let equal distributions be one object, of which a pickle then holds one; it halves the time to load it."""
        known: dict[BaseDistribution, BaseDistribution] = {}
        for trial in self._replay_result._trials.values():
            for name, distribution in trial._distributions.items():
                trial._distributions[name] = known.setdefault(distribution, distribution)


class _StudyUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of a study")
        return super().find_class(module, name)


def journal_of(study_name: str, storage: BaseStorage) -> bytes:
    """A study of any storage as the content of a journal file."""
    lines = _Lines()
    copy_study(from_study_name=study_name, from_storage=storage, to_storage=JournalStorage(lines))
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines.written).encode()


class _Lines(BaseJournalBackend):
    """A journal in memory."""

    def __init__(self) -> None:
        self.written: list[dict[str, Any]] = []

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        return iter(self.written[log_number_from:])

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self.written += logs
