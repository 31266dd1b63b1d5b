"""The pool: keeps every slot busy with one job in one fresh process, until all jobs have ended.

It knows nothing of Hydra: a job is a pickled function with its arguments.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lightsweep.exiting import fill_standard_streams
from lightsweep.launching.job import Job, JobEvent
from lightsweep.launching.outcome import Outcome
from lightsweep.launching.shift import Shift
from lightsweep.launching.slots import Slot
from lightsweep.launching.stop_signals import StopSignals, obey


@dataclass(frozen=True)
class Pool:
    """Runs jobs in slots.

    Args:
        slots: where jobs run, at least one.
        preload: modules for the warm server to import.
        grace_s: how long jobs may take to end after Ctrl-C or SIGTERM, in seconds, before they are killed.
        on_event: called in the launching thread for every start and end.
        is_last: whether an outcome says that the jobs that have not started are needless; they are dropped then.
    """

    slots: Sequence[Slot]
    preload: Sequence[str] = ()
    grace_s: float = 10.0
    on_event: Callable[[JobEvent], None] = lambda _: None
    is_last: Callable[[Outcome], bool] = lambda _: False

    def run(self, jobs: Iterable[Job]) -> list[Outcome]:
        """Run all jobs and give their outcomes in the order of the jobs; a job's failure is an outcome, not an error.

        Raises:
            KeyboardInterrupt, SystemExit: a signal asked for an end; the jobs have ended, those not started never will.
            ConfigError: a module of `preload` must not be preloaded.
            ServerDied: the warm server died before it could start a job.
        """
        jobs = list(jobs)
        fill_standard_streams()  # before a socket gets such a number, into which the jobs would print
        with StopSignals() as stop:
            shift = Shift(self, jobs, stop)
            try:
                shift.work()
            finally:
                shift.kill()
            stopped_by = shift.stopped_by or next(iter(stop.read()), None)  # it may come at the last job's end
        if stopped_by is not None:
            obey(stopped_by)
        return [shift.outcomes[job.number] for job in jobs]
