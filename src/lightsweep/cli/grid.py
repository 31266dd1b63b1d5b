"""A multirun that goes on: its command again with `resume=<its folder>`; each run's folder says what is left of it.

The command is said again, and not read from the folder, which may be a stranger's.
"""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf, read_write

from lightsweep.calling import called
from lightsweep.config.command_words import MULTIRUN
from lightsweep.config.override_text import override_text
from lightsweep.errors import RunFolderError, StorageFailed
from lightsweep.files import storage_error
from lightsweep.paths import SweepPaths

RESUMES = "LIGHTSWEEP_RESUMES"
"""Environment variable by which a multirun's jobs learn that their folders may hold runs that go on."""

_RESUMES = f"+hydra.job.env_set.{RESUMES}="
_OF_THE_FOLDER = ("resume=", "hydra.sweep.dir=", _RESUMES)


def is_multirun(words: Sequence[str]) -> bool:
    """Whether a command line asks for several runs."""
    return any(word in MULTIRUN for word in words)


def resuming_words(words: Sequence[str]) -> list[str]:
    """The words of a multirun with `resume=<folder>` put as Hydra takes it; jobs have `RESUMES`, wherever they run.

    Raises:
        RunFolderError: the folder is no multirun's.
    """
    given = [word.partition("=")[2] for word in words if word.startswith("resume=")]
    if not given:
        return list(words)
    folder = Path(given[-1])
    if not SweepPaths(folder).multirun.is_file():
        raise RunFolderError(f"{folder} is no multirun's folder: it has no {SweepPaths(folder).multirun.name}")
    return [*_without_folder(words), f"hydra.sweep.dir={override_text(str(folder))}", f"{_RESUMES}'1'"]


def resuming_command(words: Sequence[str], folder: Path | str) -> str:
    """The command that goes on with a multirun.

    Args:
        words: those that it was started with, or goes on with now.
        folder: the multirun's.
    """
    return shlex.join([*called(), *_without_folder(words), f"resume={Path(folder).absolute()}"])


def storage_failure(error: Exception, words: Sequence[str]) -> StorageFailed | None:
    """What ends a multirun whose folder takes no more, with the command by which it goes on; None in other cases.

    Args:
        error: of one of its runs, or Hydra's own; a sweep's says by itself how it goes on.
        words: the command line as it was given.
    """
    if not HydraConfig.initialized() or not _is_grid():
        return None
    folder = Path(str(HydraConfig.get().sweep.dir)).absolute()
    cause = storage_error(error, folder)
    if isinstance(error, StorageFailed):
        failure = error
    elif cause is not None:
        failure = StorageFailed(f"{folder} can no longer be written: {cause.strerror}")
    else:
        return None
    if SweepPaths(folder).multirun.is_file():
        failure.hint = f"; once that is mended, to go on: {resuming_command(words, folder)}"
    else:
        command = shlex.join([*called(), *_without_folder(words)])
        failure.hint = f"; if it was moved, to go on: {command} 'resume=<where it is now>'"
    return failure


def moved_multirun() -> Path | None:
    """Where the present run's multirun was before it was moved or deleted; None where it is there still."""
    node = HydraConfig.get()
    if not _is_grid() or not str(node.launcher._target_).endswith((".BasicLauncher", ".LocalLauncher")):
        return None  # other launchers' machines may not see the folder
    found = SweepPaths(Path(node.runtime.cwd, node.sweep.dir))
    return None if found.multirun.is_file() else found.folder


def _is_grid() -> bool:
    """Whether the present command is a multirun without a search."""
    node = HydraConfig.get()
    return node.mode == RunMode.MULTIRUN and str(node.sweeper._target_).endswith(".BasicSweeper")


def runs_in_turn() -> bool:
    """Whether the present run is one of a multirun that Hydra's basic launcher runs in this process."""
    node = HydraConfig.get()
    return node.mode == RunMode.MULTIRUN and str(node.launcher._target_).endswith(".BasicLauncher")


@contextmanager
def started_for_itself(folder: Path) -> Iterator[None]:
    """Let the other ranks of a multirun's run be started for this run; they would run the whole multirun, in step.

    Args:
        folder: the run's.
    """
    if not runs_in_turn():
        yield
        return
    from lightsweep.sweeping.isolation import Command, started_alone

    node: Any = HydraConfig.get()
    with read_write(node):
        node.run.dir = str(folder)  # where those ranks look
    given: Any = OmegaConf.to_container(node.overrides, resolve=False)
    with started_alone(Command.here(given["hydra"]), given["task"]):
        yield


def refuse_multirun(folder: Path) -> None:
    """Raise RunFolderError, with the command to give, where a folder is a multirun's and no run's."""
    found = SweepPaths(folder).multirun
    if not found.is_file():
        return
    try:
        given: Any = yaml.safe_load(found.read_text(encoding="utf-8"))["hydra"]["overrides"]
        words = [str(word) for word in [*given["task"], *given["hydra"]] if not str(word).startswith("hydra.mode=")]
    except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError):
        words = ["…"]
    command = resuming_command(["-m", *words], folder)
    raise RunFolderError(f"{folder} is a multirun's folder, which goes on by its command: {command}")


def _without_folder(words: Sequence[str]) -> list[str]:
    return [word for word in words if not word.startswith(_OF_THE_FOLDER)]
