"""The trial that the running task belongs to, reached without passing it through the task.

Neither threads nor DDP's child processes inherit it: there `current_trial` returns None.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.trial import Trial

TRIAL_VARIABLE = "LIGHTSWEEP_TRIAL"
"""Set to the trial's number for the time of a trial; processes that the trial starts inherit it."""
SWEEP_VARIABLE = "LIGHTSWEEP_SWEEP"
"""Set for the time of a trial or a re-run; processes that the task starts inherit it."""

_killed: "ContextVar[KilledTrial | None]" = ContextVar("killed", default=None)
_again: ContextVar[bool] = ContextVar("running_again", default=False)
_current: "ContextVar[Trial | None]" = ContextVar("current_trial", default=None)


@dataclass(frozen=True)
class KilledTrial:
    """What is left of a trial whose process was killed, for the trial that runs its settings again.

    Args:
        folder: the killed trial's, or of several the newest with a checkpoint; this host may not see it.
        reported: the values it had reported, by step.
        pruned_at: the step at which the pruner had ended it, before its process could say so; else None.
    """

    folder: Path
    reported: Mapping[int, float]
    pruned_at: int | None = None


def killed_trial() -> "KilledTrial | None":
    """What the present trial may go on from; None where it begins anew."""
    return _killed.get()


def current_trial() -> "Trial | None":
    """The trial of the sweep that runs this task, or None in a plain run."""
    return _current.get()


def within_trial() -> bool:
    """Whether this process runs a trial, or is one that a trial started, such as another rank of its DDP."""
    return current_trial() is not None or TRIAL_VARIABLE in os.environ


def within_sweep() -> bool:
    """Whether a sweep runs this task, as a trial or as a re-run of its best: then the sweep speaks, not the task."""
    return current_trial() is not None or _again.get()


def is_part_of_sweep() -> bool:
    """Whether a sweep runs this process's task, or that of the process that started it: then the sweep goes on."""
    return SWEEP_VARIABLE in os.environ


@contextmanager
def running_again() -> "Iterator[None]":
    """Say that the task is a re-run: no trial, so it may test, but not alone on the screen either."""
    token = _again.set(True)
    try:
        yield
    finally:
        _again.reset(token)


@contextmanager
def running_trial(trial: "Trial", killed: "KilledTrial | None" = None) -> "Iterator[None]":
    """Make `trial` the current one for the time of the task; it may go on from what a `killed` one left."""
    token, before = _current.set(trial), _killed.set(killed)
    try:
        yield
    finally:
        _killed.reset(before)
        _current.reset(token)
