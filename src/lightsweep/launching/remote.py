"""Jobs in processes that others start, on this machine or far away: what one is told, and the loop that awaits them.

How an errand travels, and how its loss is noticed, is a carrier's business (`on_ray`, `on_slurm`).
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import cloudpickle

from lightsweep.errors import signal_of
from lightsweep.launching.hydra_jobs import single_run_argv
from lightsweep.launching.job import Job
from lightsweep.launching.outcome import JobDied, Outcome, pack_error
from lightsweep.launching.stop_signals import StopSignals, obey
from lightsweep.launching.work_order import MainModule
from lightsweep.launching.worker import main_module, run_packed
from lightsweep.screen import many

log = logging.getLogger(__name__)

ATTEMPT = "LIGHTSWEEP_ATTEMPT"
"""Environment variable that tells a job how often it was lost before; 0 for the first start."""


@dataclass(frozen=True)
class Errand:
    """One job on its way to another process; picklable, and run by calling it there.

    Args:
        number: the job's.
        function: a callable pickled with cloudpickle, or a file that holds one.
        args: its arguments; plain values.
        argv, path, folder, main: those of the launching process, without overrides. The folder is entered where it
            exists.
        attempt: how often the job was lost before.
    """

    number: int
    function: bytes | Path
    args: tuple[Any, ...]
    argv: tuple[str, ...]
    path: tuple[str, ...]
    folder: str
    main: MainModule
    attempt: int = 0

    @classmethod
    def of(cls, job: Job) -> "Errand":
        """The errand of a job, from this process's surroundings."""
        path = tuple(os.path.abspath(entry) for entry in sys.path)
        argv = tuple(single_run_argv(sys.argv, []))  # a job has overrides of its own, and the rest may hold a password
        return cls(job.number, job.function, job.args, argv, path, os.getcwd(), MainModule.current())

    def __call__(self) -> bytes:
        """Run the job; returns its packed value, or its packed error, which is a JobDied if a signal ended it."""
        environment = dict(os.environ)
        os.environ[ATTEMPT] = str(self.attempt)
        if Path(self.folder).is_dir():
            os.chdir(self.folder)
        sys.argv[:] = self.argv
        sys.path.extend(entry for entry in self.path if entry not in sys.path)
        before, sys.modules["__main__"] = sys.modules["__main__"], main_module(self.main)
        function = self.function if isinstance(self.function, bytes) else self.function.read_bytes()
        try:
            return run_packed(function, self.args, self._told)
        finally:
            sys.modules["__main__"] = before
            os.environ.clear()  # Ray gives its processes one job after another
            os.environ.update(environment)

    def _told(self, error: BaseException) -> bytes:
        number = signal_of(error)
        if number is not None:
            error = JobDied(f"was interrupted by signal {number}", -number)
        return cloudpickle.dumps(pack_error(error))


class Carrier(Protocol):
    """Takes errands to where they are run, and brings back what became of them."""

    def send(self, errands: Sequence[Errand]) -> Sequence[Hashable]:
        """Start errands as soon as there is room for them; returns a handle for each, in order."""

    def ended(self, handles: Sequence[Any]) -> Mapping[Any, Outcome]:
        """Wait about a second for ends; the error of an errand whose process was lost is a JobDied."""

    def cancel(self, handles: Sequence[Any], kill: bool) -> None:
        """Ask errands to end, so that they can save their state, or kill them."""


def run_remotely(
    jobs: Sequence[Job],
    carrier: Carrier,
    max_retries: int,
    grace_s: float,
    tell: Callable[[Job, Outcome], None] = lambda job, outcome: None,
) -> list[Outcome]:
    """Run jobs through a carrier; no job runs any more when this returns.

    Args:
        jobs: with distinct numbers.
        max_retries: how often a job is started again whose process was lost or interrupted.
        grace_s: how long jobs may take to end after Ctrl-C or SIGTERM, in seconds.
        tell: called for each job that has ended for good.

    Returns:
        What became of each, in order.

    Raises:
        KeyboardInterrupt, SystemExit: a signal asked for an end, be it while jobs were sent; those that ran have ended.
    """
    outcomes: dict[int, Outcome] = {}
    by_number = {job.number: job for job in jobs}
    errands = [Errand.of(job) for job in jobs]
    sent: dict[Any, Errand] = {}
    with StopSignals() as signals:
        try:
            sent.update(zip(carrier.send(errands), errands, strict=True))
            while not (stops := signals.read()) and sent:
                lost = []
                for handle, outcome in carrier.ended(list(sent)).items():
                    errand = sent.pop(handle)
                    if isinstance(outcome.error, JobDied):
                        again = errand.attempt < max_retries
                        death = JobDied(f"job {errand.number} {outcome.error}", outcome.error.exit_code_of_job)
                        log.warning(f"{death}; it is started again" if again else str(death))
                        if again:
                            lost.append(replace(errand, attempt=errand.attempt + 1))
                            continue
                        outcome = Outcome(error=death)
                    outcomes[errand.number] = outcome
                    tell(by_number[errand.number], outcome)
                sent.update(zip(carrier.send(lost), lost, strict=True) if lost else ())
        finally:
            _end(carrier, list(sent), grace_s)
    if stops:
        obey(stops[0])
    return [outcomes[job.number] for job in jobs]


def _end(carrier: Carrier, handles: list[Any], grace_s: float) -> None:
    """End the jobs that still run: they may save their state, and are killed when that takes too long."""
    if not handles:
        return
    log.warning(f"ending {many(len(handles), 'job')}, which may take {grace_s:g} s to save their state")
    carrier.cancel(handles, kill=False)
    until = time.monotonic() + grace_s
    while handles and time.monotonic() < until:
        ended = carrier.ended(handles)
        handles = [handle for handle in handles if handle not in ended]
    if handles:
        carrier.cancel(handles, kill=True)
