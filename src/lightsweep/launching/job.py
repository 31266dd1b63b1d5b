"""A job, and the news of it."""

from dataclasses import dataclass
from typing import Any

from lightsweep.launching.outcome import Outcome
from lightsweep.launching.slots import Slot


@dataclass(frozen=True)
class Job:
    """One piece of work.

    Args:
        number: how messages name it; unique among the jobs of one `run`.
        function: a callable, pickled with cloudpickle.
        args: its arguments; plain values.
        label: what tells it from the others, for messages.
    """

    number: int
    function: bytes
    args: tuple[Any, ...] = ()
    label: str = ""

    def said(self, what: str) -> str:
        """A message of what became of it, with its label where it has one."""
        return f"job {self.number} {what}" + (f" : {self.label}" if self.label else "")


@dataclass(frozen=True)
class JobEvent:
    """The start or the end of a job, for whoever shows the state of the slots.

    Args:
        outcome: how it ended; None where it has started.
    """

    job: Job
    slot: Slot
    pid: int
    outcome: Outcome | None = None
