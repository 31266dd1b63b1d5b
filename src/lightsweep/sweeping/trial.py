"""The trial that the running task belongs to, reached without passing it through the task.

Neither threads nor DDP's child processes inherit it: there `current_trial` returns None.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.trial import Trial

TRIAL_VARIABLE = "LIGHTSWEEP_TRIAL"
"""Set to the trial's number for the time of a trial; processes that the trial starts inherit it."""

_current: "ContextVar[Trial | None]" = ContextVar("current_trial", default=None)


def current_trial() -> "Trial | None":
    """The trial of the sweep that runs this task, or None in a plain run."""
    return _current.get()


def within_trial() -> bool:
    """Whether this process runs a trial, or is one that a trial started, such as another rank of its DDP."""
    return current_trial() is not None or TRIAL_VARIABLE in os.environ


@contextmanager
def running_trial(trial: "Trial") -> "Iterator[None]":
    """Make `trial` the current one for the time of the task."""
    token = _current.set(trial)
    try:
        yield
    finally:
        _current.reset(token)
