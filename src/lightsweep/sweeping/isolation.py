"""What one trial leaves in its process, taken back before the next: environment, folder, command line, processes.

Lightning's DDP starts its other ranks by running `sys.argv` again; inside a sweep that would be the whole sweep, with
other settings for each rank. So for the time of a trial the command line is the one that runs this trial alone.
"""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from lightsweep.launching.hydra_jobs import config_flags
from lightsweep.launching.work_order import MainModule
from lightsweep.linux import told
from lightsweep.process_state import stop_lightnings_watch
from lightsweep.sweeping.trial import SWEEP_VARIABLE, TRIAL_VARIABLE


@dataclass(frozen=True)
class Command:
    """How the application was started, less everything that made it a sweep.

    Args:
        script: `sys.argv[0]`.
        module: the module's name when it was started by `python -m`, else None.
        flags: Hydra's flags that say which configuration is read.
        hydra_overrides: overrides of Hydra's own configuration.
    """

    script: str
    module: str | None
    flags: tuple[str, ...]
    hydra_overrides: tuple[str, ...] = ()

    @classmethod
    def here(cls, hydra_overrides: Sequence[str]) -> "Command":
        """The command of this process."""
        kept = tuple(line for line in hydra_overrides if not line.lstrip("+").startswith("hydra.mode="))
        return cls(sys.argv[0], MainModule.current().spec_name, tuple(config_flags(sys.argv)), kept)

    def argv(self, overrides: Sequence[str]) -> list[str]:
        """The command line that runs one trial, and no sweep."""
        return [self.script, *self.flags, *self.hydra_overrides, *overrides, "hydra.mode=RUN"]


@contextmanager
def isolated_task(command: Command, overrides: Sequence[str], trial_number: int | None) -> Iterator[None]:
    """Run the body as if this process had been started for one task only; a number says that it is a trial."""
    with started_alone(command, overrides):
        os.environ[SWEEP_VARIABLE] = "1"
        os.environ.pop(TRIAL_VARIABLE, None)
        if trial_number is not None:
            os.environ[TRIAL_VARIABLE] = str(trial_number)
        yield


@contextmanager
def started_alone(command: Command, overrides: Sequence[str]) -> Iterator[None]:
    """Run the body as if this process had been started for one run only, whose other ranks are then started for it."""
    main = sys.modules["__main__"]
    spec, argv, environment = getattr(main, "__spec__", None), sys.argv, dict(os.environ)
    folder = _here()
    sys.argv = command.argv(overrides)
    main.__spec__ = SimpleNamespace(name=command.module) if command.module else None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.argv, main.__spec__ = argv, spec
        if folder is not None:
            with suppress(OSError):  # deleted meanwhile, which is told by whoever needs it next
                os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        _leave_process_group()


def _here() -> str | None:
    """The working folder; None where it is deleted."""
    try:
        return os.getcwd()
    except OSError:
        return None


def _leave_process_group() -> None:
    """End torch's process group, which the next trial must not find: its other members are gone."""
    stop_lightnings_watch()  # this trial's outcome is known, and the sweep goes on
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def children() -> set[int]:
    """The pids of this process's living children, where the system tells (Linux)."""
    tasks = Path("/proc/self/task").glob("*")  # one that has just ended tells of none
    return {int(pid) for task in tasks for pid in told(f"{task}/children").split()}


def end_children(before: set[int]) -> None:
    """Kill the children that a badly ended trial started: ranks that wait for a partner who will not come."""
    for pid in children() - before:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
