"""The exception tree, and the exit code that each branch ends a command with.

LightsweepError
├── UserError               exit 2: something the user wrote or gave; one line, no traceback
│   ├── ConfigError         a key, a value or a combination of settings
│   ├── DataError           a data file that is missing, damaged or does not fit
│   └── RunFolderError      a run folder or checkpoint that cannot be used
├── RunStopped              the run ended early, for a reason that result.json names
│   ├── Diverged            exit 3: the loss became NaN or infinite
│   ├── StorageFailed       exit 4: a run's or a sweep's folder can no longer be written
│   ├── RankDied            exit 5: one of a run's processes died
│   └── Interrupted         exit 128 more than the signal's number: 129 for SIGHUP, 130 for SIGINT, 143 for SIGTERM
└── SweepFailed             exit 1: too many of a sweep's trials failed

Everything else is a bug and keeps its traceback.
"""

import math
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType

INTERRUPTING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)
)
"""Those that `Interrupted` stands for. A closed terminal sends SIGHUP. SLURM announces the end of a job's time by one
it was asked for; submitit's is SIGUSR2."""

INSISTING = tuple(number for number in INTERRUPTING if signal.Signals(number).name != "SIGHUP")
"""Those that end all at once where they come after another: a closed terminal's shell and system each send a SIGHUP."""


class LightsweepError(Exception):
    """Base of all errors raised on purpose; its text is one line for the user."""

    exit_code = 1
    status = "failed"


class UserError(LightsweepError):
    """The user can mend this: the text says which setting, what it must be, what it was."""

    exit_code = 2


class ConfigError(UserError):
    """A key, a value or a combination of settings is wrong."""


class DataError(UserError):
    """A data file is missing, damaged, or does not hold what the configuration says."""


class RunFolderError(UserError):
    """A run folder or a checkpoint cannot be used."""


class RunStopped(LightsweepError):
    """The run ended before its time; `status` goes into result.json.

    Attributes:
        hint: what to do now; follows the text.
    """

    hint = ""

    def __str__(self) -> str:
        return f"{super().__str__()}{self.hint}"


class Diverged(RunStopped):
    """The training loss became NaN or infinite.

    Args:
        step: optimizer steps taken when the loss was computed (0 for the first).
        lr: learning rate at that step.
        last_finite_loss: the loss one step before, or None if there was none.
    """

    exit_code = 3
    status = "diverged"

    def __init__(self, step: int, lr: float, loss: float, last_finite_loss: float | None) -> None:
        if last_finite_loss is None:
            told = "there was none before it: what gives it is the network, its loss or its inputs, not optimizer.lr"
        else:
            advice = "Try a smaller optimizer.lr" if math.isfinite(lr) else "What sets such an lr is the scheduler"
            told = f"the last finite loss was {last_finite_loss:.6g}. {advice}"
        super().__init__(f"the training loss became {loss} at step {step} with lr {lr:.6g}; {told}")
        self.step, self.lr, self.loss, self.last_finite_loss = step, lr, loss, last_finite_loss

    def __reduce__(self) -> tuple:  # survives the way back from a worker process
        return Diverged, (self.step, self.lr, self.loss, self.last_finite_loss), self.__dict__


class StorageFailed(RunStopped):
    """A folder cannot be written, or not any more: the disk is full, or it was deleted or made read-only."""

    exit_code = 4


class RankDied(RunStopped):
    """One of the processes that train together died, so that the others cannot go on.

    Args:
        rank: which one.
        code: its exit code; negative: the signal that killed it.
        reason: what it said itself; None where it could not.
    """

    exit_code = 5

    def __init__(self, rank: int, code: int, reason: str | None) -> None:
        super().__init__(f"rank {rank} {end_of(code)}{f': {reason}' if reason else ''}")
        self.rank, self.code, self.reason = rank, code, reason

    def __reduce__(self) -> tuple:
        return RankDied, (self.rank, self.code, self.reason), self.__dict__


class Interrupted(RunStopped):
    """A signal asked the run to stop.

    Args:
        signal_number: the signal's number; the exit code is 128 more.
    """

    status = "interrupted"

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"interrupted by signal {int(signal_number)}")
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number

    def __reduce__(self) -> tuple:
        return Interrupted, (self.signal_number,), self.__dict__


class Signalled(KeyboardInterrupt):
    """What a signal raises before there is anything to save: libraries swallow an Exception, and go on.

    Args:
        signal_number: the signal's number.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"interrupted by signal {int(signal_number)}")
        self.signal_number = signal_number


class RemoteTraceback(Exception):
    """The cause that carries the traceback text of another process."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


class SweepFailed(LightsweepError):
    """More trials failed than `max_failure_rate` allows, or the jobs themselves do."""


def signal_of(end: BaseException) -> int | None:
    """The number of the signal that an exception tells of; None where it tells of none."""
    if isinstance(end, Interrupted | Signalled):
        return end.signal_number
    if isinstance(end, KeyboardInterrupt):
        return int(signal.SIGINT)
    code = end.code if isinstance(end, SystemExit) else None
    return next((int(number) for number in INTERRUPTING if code == 128 + number), None)


def end_of(code: int) -> str:
    """How a process ended, by its exit code; negative: the signal that killed it."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:  # real-time signals have no names
        name = "unnamed"
    return f"was killed by signal {-code} ({name})"


def one_line(error: BaseException) -> str:
    """All that an exception says, with single blanks; its class where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def lines_of(error: BaseException) -> list[str]:
    """The lines of what an exception says, but empty ones; its class where it says nothing."""
    return [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]


def raised_in(error: BaseException) -> str:
    """The module that raised an exception, by which an error of a library's without a type of its own is told.

    Empty for an exception that was never raised.
    """
    modules = [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    return modules[-1] if modules else ""


def raised_below(error: BaseException, package: str, function: str) -> bool:
    """Whether an exception came up through a function of an installed package; of the user's own code it does not."""
    return any(
        frame.f_code.co_name == function
        and str(frame.f_globals.get("__name__")).partition(".")[0] == package
        and not _is_users(frame)
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )


def place_of(error: BaseException) -> str:
    """Where in the user's own code an exception was raised, as ` (my_net.py, line 12)`; empty where it has no part."""
    frames = traceback.walk_tb(error.__traceback__)
    places = [f" ({Path(frame.f_code.co_filename).name}, line {line})" for frame, line in frames if _is_users(frame)]
    return places[-1] if places else ""


def _is_users(frame: FrameType) -> bool:
    """Whether a frame is of neither Python's modules, installed packages nor ours."""
    package = str(frame.f_globals.get("__name__")).partition(".")[0]
    installed = {"site-packages", "dist-packages"} & {*Path(frame.f_code.co_filename).parts}
    return not installed and package not in {"lightsweep", "hydra_plugins", *sys.stdlib_module_names}
