"""What a task's return means for its trial: complete, pruned, failed with a reason, or stopped from outside.

Optuna would leave a trial running that returned a text, and would take infinity for a good result.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from optuna import TrialPruned
from optuna.trial import TrialState

from lightsweep.errors import RankDied, signal_of
from lightsweep.files import DISK_ERRORS, storage_error


@dataclass(frozen=True)
class TrialOutcome:
    """How a trial ended.

    Args:
        state: COMPLETE, PRUNED or FAIL.
        values: one finite number a direction when complete, else empty.
        reason: why it failed or was pruned, one line.
        from_outside: the trial was stopped by someone else, and does not count.
        lost: one of its processes was killed; it does not count either, unless its settings lose one each time.
        recurs: the same settings would fail again.
        failure: of a trial that a full disk stopped from outside; the sweep ends by it.
    """

    state: TrialState
    values: tuple[float, ...] = ()
    reason: str = ""
    from_outside: bool = False
    lost: bool = False
    recurs: bool = False
    failure: OSError | None = None


def outcome_of_full_disk(error: Any, folder: Path) -> TrialOutcome | None:
    """That of a trial, or of what a task has returned, which was stopped by a disk that takes no more; else None.

    A folder that was moved or deleted meanwhile takes no more either.
    """
    cause = storage_error(error, folder) if isinstance(error, BaseException) else None
    if cause is None or (cause.errno not in DISK_ERRORS and folder.exists()):
        return None
    reason = f"{folder} can no longer be written: {cause.strerror}"
    return TrialOutcome(TrialState.FAIL, reason=reason, from_outside=True, failure=cause)


def outcome_of_return(returned: JobReturn, num_directions: int, pruned_at: int | None) -> TrialOutcome:
    """Read what Hydra's `run_job` made of the task.

    Args:
        returned: status and return value, or the exception of the task.
        num_directions: how many values the task must return.
        pruned_at: the step at which the pruner decided, if it did; the trial is then pruned whatever was returned.
    """
    value = returned._return_value
    if returned.status != JobStatus.COMPLETED:
        return outcome_of_error(value)
    if pruned_at is not None:
        return TrialOutcome(TrialState.PRUNED, reason=f"pruned at step {pruned_at}")
    try:
        values = _values(value, num_directions)
    except ValueError as error:
        return failure(str(error))
    return TrialOutcome(TrialState.COMPLETE, values)


def outcome_of_error(error: BaseException) -> TrialOutcome:
    """Read an exception that came out of the task."""
    if isinstance(error, TrialPruned):
        return TrialOutcome(TrialState.PRUNED, reason=text_of(error) or "pruned")
    if (number := signal_of(error)) is not None:  # by hand, or by SLURM
        return TrialOutcome(TrialState.FAIL, reason=f"interrupted by signal {number}", from_outside=True)
    if isinstance(error, RankDied) and error.code < 0:  # as where the trial's first process is killed
        return TrialOutcome(TrialState.FAIL, reason=text_of(error), lost=True)
    if isinstance(error, SystemExit):
        return failure(f"exited with code {text_of(error.code)}")
    return failure(f"{type(error).__name__}: {text_of(error)}".removesuffix(": "))


def text_of(thing: Any) -> str:
    """`str(thing)` in characters that any file takes; `<no text>` where an application's own object raises instead."""
    try:
        text = str(thing)
    except Exception:
        text = "<no text>"
    return text.encode(errors="backslashreplace").decode()


def failure(reason: str) -> TrialOutcome:
    """A trial that failed by itself; the reason is cut to one line."""
    return TrialOutcome(TrialState.FAIL, reason=" ".join(reason.split())[:500])


def _values(value: Any, count: int) -> tuple[float, ...]:
    if count == 1:
        return (_number(value),)
    parts = _parts(value)
    if parts is None:
        raise ValueError(f"the task returned {_shown(value)}; it must return {count} numbers, one a direction")
    if len(parts) != count:
        raise ValueError(f"the task returned {len(parts)} numbers; it must return {count}, one a direction")
    return tuple(_number(part) for part in parts)


def _parts(value: Any) -> Sequence[Any] | None:
    """The elements of a sequence, an array or a tensor; None of what has none."""
    try:
        value = value.tolist() if hasattr(value, "tolist") else value
    except Exception:  # a value of the application's own may raise anything
        return None
    return value if isinstance(value, Sequence) and not isinstance(value, str) else None


def _number(value: Any) -> float:
    try:
        number = float(value)
    except OverflowError:
        raise ValueError("the task returned a number that is too large for a float") from None
    except Exception:  # a value of the application's own may raise anything
        raise ValueError(f"the task returned {_shown(value)}; it must return a number") from None
    if not math.isfinite(number):
        raise ValueError(f"the task returned {number}")
    return number


def _shown(value: Any) -> str:
    return "nothing (None)" if value is None else f"{text_of(value)[:80]!r} ({type(value).__name__})"
