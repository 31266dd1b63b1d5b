"""What Hydra writes of a command into `.hydra`, and that it leaves an earlier run's there while that one stands.

The command may still be refused, or interrupted, before its run replaces the one in the folder or goes on with it.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import yaml

from lightsweep.config.saved import damage_told
from lightsweep.files import write_text
from lightsweep.holding import busy, is_held
from lightsweep.paths import RunPaths

_waiting: dict[Path, str] = {}


def save(file: Path, text: str) -> None:
    """Write one of Hydra's files; where its folder holds a run, not before `save_waiting`.

    Where torchrun or srun started the run's processes, the first of them may hold the folder already.

    Raises:
        RunFolderError: another process writes into the folder.
    """
    run = RunPaths(file.parent.parent)
    if not {"LOCAL_RANK", "SLURM_PROCID"} & os.environ.keys():
        if is_held(run.lock):
            raise busy(run.folder)
        if run.result.is_file():
            _waiting[file] = text
            return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def save_further(run: RunPaths, words: Sequence[str]) -> None:
    """Add the words of a run that goes on to those that it was begun with: all of them together repeat it."""
    if words and run.overrides.is_file():
        with damage_told(run.overrides):
            given = [*map(str, yaml.safe_load(run.overrides.read_text(encoding="utf-8"))), *words]
        save(run.overrides, yaml.safe_dump(given, allow_unicode=True))


def save_waiting(folder: Path) -> None:
    """Write what waits for a folder's run to begin, or to go on."""
    for file in [file for file in _waiting if file.parent.parent == folder]:
        write_text(file, _waiting.pop(file))


def forget_waiting() -> None:
    """Drop what still waits, since its run has ended before it began."""
    _waiting.clear()
