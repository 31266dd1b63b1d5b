"""What became of a job: a value, an exception with its traceback, or a process that died.

Exceptions cross the process boundary as text and, where they can be pickled, as themselves.
"""

import copyreg
import dataclasses
import linecache
import os
import signal
import sys
import traceback
from dataclasses import dataclass
from typing import Any

import cloudpickle

from lightsweep.errors import LightsweepError, RemoteTraceback, end_of, signal_of

_PICKLED = "<dynamic-code>"
"""What cloudpickle calls the file of the functions that it sends, which are those of the main program."""

# Cloudpickle 3.1.3 sends it by value with the main program's dataclasses, which then have fields whose default is a
# strange object; where they are read in the process that sent them, this process's own classes have them.
copyreg.pickle(type(dataclasses.MISSING), lambda _: "MISSING")


class JobDied(LightsweepError):
    """The job's process ended without an answer: killed, crashed, or out of memory.

    Args:
        exit_code: the process's exit code; the negative of the signal's number if a signal ended it; None if unknown.
    """

    def __init__(self, text: str, exit_code: int | None = None) -> None:
        super().__init__(text)
        self.exit_code_of_job = exit_code

    def __reduce__(self) -> tuple:
        return JobDied, (self.args[0], self.exit_code_of_job)


class JobFailed(LightsweepError):
    """Stands for an error of a job that cannot be raised here as itself; the text holds its type and message.

    It could not be pickled, or it is a SystemExit or KeyboardInterrupt, which were meant for the job's process alone.
    """


class JobStopped(JobFailed):
    """The job's process ended early because a signal had asked it to."""


@dataclass(frozen=True)
class PackedError:
    """An exception on its way between processes.

    Args:
        summary: its type and message, of one of lightsweep's own the message alone.
        traceback_text: as Python prints it, causes included.
        pickled: the exception itself, or None if it cannot be pickled and read again.
        stopped: a signal asked the job to end.
    """

    summary: str
    traceback_text: str
    pickled: bytes | None
    stopped: bool = False


@dataclass(frozen=True)
class Outcome:
    """The end of one job: either `value`, or `error` if that is not None; of one that was dropped, neither."""

    value: Any = None
    error: Exception | None = None
    dropped: bool = False


def pack_error(error: BaseException) -> PackedError:
    """Make an exception ready to be sent; its traceback, which pickle would drop, goes along as text."""
    own = isinstance(error, LightsweepError)  # its text says all
    summary = str(error) if own else "".join(traceback.format_exception_only(error)).strip()
    text = _traceback_text(error)
    if not isinstance(error, Exception):
        return PackedError(summary, text, None, signal_of(error) is not None)
    try:
        pickled = cloudpickle.dumps(error)
        cloudpickle.loads(pickled)
    except Exception:  # whatever a foreign __reduce__ or __init__ raises: the text is sent instead
        return PackedError(summary, text, None)
    return PackedError(summary, text, pickled)


def _traceback_text(error: BaseException) -> str:
    """As Python prints it, with the file of the main program's functions, which cloudpickle 3.1.3 leaves out."""
    file = getattr(sys.modules["__main__"], "__file__", None)
    if file is None:
        return "".join(traceback.format_exception(error))
    lines = linecache.getlines(file)
    linecache.cache[_PICKLED] = (sum(map(len, lines)), None, lines, file)  # the source lines are looked up here
    text = "".join(traceback.format_exception(error))
    return text.replace(f'File "{_PICKLED}"', f'File "{os.path.abspath(file)}"')


def unpack_error(packed: PackedError) -> Exception:
    """The exception again, with the sender's traceback as its cause."""
    stands_in = JobStopped if packed.stopped else JobFailed
    error = stands_in(packed.summary) if packed.pickled is None else cloudpickle.loads(packed.pickled)
    error.__cause__ = RemoteTraceback(packed.traceback_text)
    return error


def read_answer(answer: bytes) -> Outcome:
    """The outcome that a worker sent, a pickled value or PackedError; a value that cannot be read here is an error."""
    try:
        value = cloudpickle.loads(answer)
    except Exception as error:  # whatever a foreign __setstate__ raises
        error.add_note("the job ended well, but its value cannot be read in the launching process")
        return Outcome(error=error)
    return Outcome(error=unpack_error(value)) if isinstance(value, PackedError) else Outcome(value)


def death(job_number: int, exit_code: int | None, stopped: bool = False) -> JobDied:
    """Describe the end of a process that sent no answer; `stopped`: it was asked to end before."""
    if exit_code is None:
        reason = "lost its process: the server that started it was killed"
    elif exit_code >= 0:
        reason = f"ended its process with exit code {exit_code} before it had returned"
    else:
        reason = end_of(exit_code)
    if exit_code == -signal.SIGKILL:
        reason += ", as it had not ended in time" if stopped else ", by hand or because memory ran out"
    return JobDied(f"job {job_number} {reason}", exit_code)
