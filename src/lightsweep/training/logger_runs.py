"""Which runs of theirs W&B's and MLflow's loggers write into, so that a run that goes on goes on in the same ones."""

import json
from collections.abc import Collection
from functools import cached_property
from pathlib import Path

from lightning.pytorch.loggers import Logger

from lightsweep.errors import RunFolderError
from lightsweep.files import write_json

_ARGUMENTS = ("run_id", "id")
"""By which MLflow's logger and W&B's are told to go on in a run that was begun before."""


class LoggerRuns:
    """The loggers' own runs, kept in a file by the loggers' names in the configuration.

    Args:
        path: the file, JSON.
        going_on: whether the runs that the file names are gone on in.
    """

    def __init__(self, path: Path, going_on: bool = False) -> None:
        self.path, self.going_on = path, going_on
        self._loggers: dict[str, Logger] = {}

    @cached_property
    def _known(self) -> dict[str, str]:
        """What the file says; it is read for a logger that can go on alone, as who evaluates a run has none."""
        return _read(self.path) if self.going_on and self.path.is_file() else {}

    def argument(self, name: str, takes: Collection[str]) -> dict[str, str]:
        """What a logger is made with beside its configuration, to go on in its run; nothing if it has none yet.

        Args:
            name: the logger's.
            takes: the arguments that it has.

        Raises:
            RunFolderError: the file is damaged.
        """
        return {argument: self._known[name] for argument in _ARGUMENTS if argument in takes and name in self._known}

    def add(self, name: str, logger: Logger, takes: Collection[str]) -> None:
        """Keep in mind a logger that was made, if it can go on in a run."""
        if any(argument in takes for argument in _ARGUMENTS):
            self._loggers[name] = logger

    def goes_on(self, logger: Logger) -> bool:
        """Whether a logger's run was begun before, and has been told what is run: MLflow's take no other settings."""
        return any(logger is known and name in self._known for name, known in self._loggers.items())

    def note(self) -> None:
        """Write down the runs, which have all begun, beside those of loggers that have no part this time."""
        if self._loggers:
            begun = {name: str(logger.version) for name, logger in self._loggers.items()}
            write_json(self.path, {**self._known, **begun})


def _read(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(run, str) for run in found.values()):
        raise RunFolderError(f"{path} is damaged; without it the loggers begin runs of their own anew")
    return found
