"""How a command ends: a user's mistake is one line on stderr and an exit code; a bug keeps its traceback."""

import inspect
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from lightsweep.config.explanation import COMPOSITION_ERRORS, explain
from lightsweep.errors import (
    INSISTING,
    INTERRUPTING,
    ConfigError,
    Interrupted,
    LightsweepError,
    RemoteTraceback,
    Signalled,
)
from lightsweep.exiting import write_out
from lightsweep.output import CLOSED, Output, watch_output
from lightsweep.paths import present_folder


def ended_by(command: Callable[[], Any], usage: Callable[[], None] | None = None) -> None:
    """Run a command; end the process with one line and an exit code where it raises on purpose, or a signal came.

    A signal wins over all that is raised after it: libraries make errors of their own of what their code is cut off by.

    Args:
        command: what is run.
        usage: the function whose docstring `--help` prints in the command's place; None where the command has a better.
    """
    if usage is not None and {"-h", "--help"} & set(sys.argv[1:]):
        command = partial(_print_usage, usage)
    came: list[int] = []
    try:
        try:
            _heed_signals(came)
            for stream in (sys.stdout, sys.stderr):
                if isinstance(stream, TextIOWrapper):  # a locale without UTF-8 may not hinder a run
                    stream.reconfigure(errors="backslashreplace")
            watch_output()
            present_folder()
            command()
        finally:
            write_out()  # here, where it can be told that nobody reads it
            if Output.is_incomplete and _succeeds(sys.exception()):
                sys.exit(1)
    except BaseException as error:
        if came and not isinstance(error, SystemExit):
            ended_by_error(error if isinstance(error, Interrupted) else Interrupted(came[0]))
        if isinstance(error, COMPOSITION_ERRORS):  # the configuration could not be composed
            leave(explain(error), ConfigError.exit_code)
        if isinstance(error, LightsweepError):
            ended_by_error(error)
        if isinstance(error, KeyboardInterrupt):  # one of a sweep's runs was interrupted
            ended_by_error(Interrupted(signal.SIGINT))
        if isinstance(error.__cause__, RemoteTraceback):  # of a run's process; that of this one tells who read it
            print(error.__cause__.text, file=sys.stderr)
            leave(f"a run failed: {type(error).__name__}: {error}", 1)
        raise


def _succeeds(error: BaseException | None) -> bool:
    return error is None or (isinstance(error, SystemExit) and not error.code)


def _print_usage(function: Callable[[], None]) -> None:
    program = Path(sys.argv[0]).name
    called = program if program.endswith(".py") else f"{program} {function.__name__}"
    text = inspect.getdoc(function) or "(Python's -OO and PYTHONOPTIMIZE=2 leave the text out)"
    print(f"usage: {called} {text.replace('`', '')}")


def _heed_signals(came: list[int]) -> None:
    """Before training there is nothing to save: the first signal is noted and raised, a second ends all at once."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        if came and number not in INSISTING:
            return
        if came:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        came.append(number)
        raise Signalled(number)

    def come_again(lost: Any, before: Callable[[Any], Any] = sys.unraisablehook) -> None:
        if not isinstance(lost.exc_value, Signalled):
            before(lost)
            return
        came.clear()
        threading.Timer(0.01, os.kill, (os.getpid(), lost.exc_value.signal_number)).start()  # when this has returned

    # Python drops what is raised in a weak reference's callback, of which each import has one, or in a `__del__`
    sys.unraisablehook = come_again
    for number in INTERRUPTING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)


def ended_by_error(error: Exception) -> NoReturn:
    """End the process as an exception of a run says; a bug keeps its traceback."""
    if not isinstance(error, LightsweepError):
        raise error
    if isinstance(error, Interrupted) and os.environ.get("LOCAL_RANK", "0") != "0":  # the first process says it for all
        sys.exit(error.exit_code)
    if isinstance(error, Interrupted) and Output.is_closed:
        if error.hint:
            leave(f"nobody reads the output any more{error.hint}", CLOSED)
        sys.exit(CLOSED)
    leave(str(error), error.exit_code)


def leave(line: str, code: int) -> NoReturn:
    """Print an error's line, which stays one line whatever the user wrote, and end the process."""
    shown = "\\n".join(line.splitlines())
    print(f"error: {shown}", file=sys.stderr)
    sys.exit(code)
