"""The trial that the running task belongs to, reached without passing it through the task.

Neither threads nor DDP's child processes inherit it: there `current_trial` returns None.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.trial import Trial

_current: "ContextVar[Trial | None]" = ContextVar("current_trial", default=None)


def current_trial() -> "Trial | None":
    """The trial of the sweep that runs this task, or None in a plain run."""
    return _current.get()


@contextmanager
def running_trial(trial: "Trial") -> "Iterator[None]":
    """Make `trial` the current one for the time of the task."""
    token = _current.set(trial)
    try:
        yield
    finally:
        _current.reset(token)
