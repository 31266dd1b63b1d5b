"""How a command ends: a user's mistake is one line on stderr and an exit code; a bug keeps its traceback."""

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from lightsweep.config.composition import COMPOSITION_ERRORS, explain
from lightsweep.errors import ConfigError, Interrupted, LightsweepError


def ended_by(command: Callable[[], Any]) -> None:
    """Run a command; end the process with one line and an exit code where it raises on purpose."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        command()
    except LightsweepError as error:
        ended_by_error(error)
    except COMPOSITION_ERRORS as error:  # the configuration could not be composed
        leave(explain(error), ConfigError.exit_code)
    except KeyboardInterrupt:
        leave("interrupted", 130)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Before training there is nothing to save."""
    raise Interrupted(number)


def ended_by_error(error: Exception) -> NoReturn:
    """End the process as an exception of a run says; a bug keeps its traceback."""
    if not isinstance(error, LightsweepError):
        raise error
    leave(str(error), error.exit_code)


def leave(line: str, code: int) -> NoReturn:
    """Print an error's line, which stays one line whatever the user wrote, and end the process."""
    shown = "\\n".join(line.splitlines())
    print(f"error: {shown}", file=sys.stderr)
    sys.exit(code)
