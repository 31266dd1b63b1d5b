"""One run of the pool: what waits, what runs, what has ended, and what to do when something happens.

How a worker is made is `warm_server`'s business, what it does `worker`'s.
"""

import contextlib
import logging
import math
import os
import signal
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pickle import dumps
from typing import TYPE_CHECKING, Any

from lightsweep.errors import INSISTING, ConfigError
from lightsweep.launching.job import Job, JobEvent
from lightsweep.launching.outcome import JobDied, Outcome, death, read_answer
from lightsweep.launching.slots import Slot
from lightsweep.launching.stop_signals import StopSignals
from lightsweep.launching.warm_server import ServerDied, shared_server
from lightsweep.launching.work_order import WorkOrder
from lightsweep.screen import many

if TYPE_CHECKING:
    from lightsweep.launching.pool import Pool

log = logging.getLogger(__name__)

_LOST_S = 10.0


@dataclass
class _Running:
    job: Job
    slot: Slot
    connection: Connection
    pid: int = 0
    answer: bytes | None = None
    listening: bool = True

    def read(self) -> None:
        """Take the answer, or learn that none will come."""
        self.listening = False
        with contextlib.suppress(EOFError, OSError):  # the worker died; how, its server says
            self.answer = self.connection.recv_bytes()


class Shift:
    """One `Pool.run`, with the pool's settings."""

    def __init__(self, pool: "Pool", jobs: Iterable[Job], stop: StopSignals) -> None:
        self.pool, self.stop = pool, stop
        self.queue, self.free = deque(jobs), deque(pool.slots)
        self.on_event = pool.on_event
        self.server = shared_server(pool.preload)
        self.running: dict[int, _Running] = {}
        self.outcomes: dict[int, Outcome] = {}
        self.stopped_by: int | None = None
        self.kill_at_s = math.inf

    def work(self) -> None:
        """Until all jobs have ended, or a signal came and those that ran have ended."""
        while self.running or (self.queue and self.stopped_by is None):
            while self.queue and self.free and self.server.ready and self.stopped_by is None:
                self._start(self.queue.popleft(), self.free.popleft())
            if self.running or self.queue:  # the queue may have been dropped
                self._listen()

    def kill(self) -> None:
        """Kill what still runs, and wait for its end."""
        self.on_event = lambda _: None
        try:
            self._signal_all(signal.SIGKILL)
            while self.running:
                self._hear(self.server.reply())
        except ServerDied:
            self._bury_all()

    def _start(self, job: Job, slot: Slot) -> None:
        ours, theirs = Pipe()
        run = _Running(job, slot, ours)
        try:
            self.server.fork(job.number, theirs)
        except ServerDied:
            ours.close()
            self.queue.appendleft(job)
            self.free.appendleft(slot)
            self._replace_server()
            return
        finally:
            theirs.close()
        self.running[job.number] = run
        with contextlib.suppress(OSError):  # the worker is dead already, and the server will say so
            ours.send_bytes(dumps(WorkOrder.for_slot(slot, len(self.pool.slots), job.function, job.args)))

    def _listen(self) -> None:
        """Wait for the next thing to happen, and see to it; answers come before the ends that follow them."""
        lines = {run.connection: run for run in self.running.values() if run.listening}
        timeout = None if self.kill_at_s == math.inf else max(0.0, self.kill_at_s - time.monotonic())
        ready = wait([*lines, self.stop.fd, self.server.replies], timeout)
        for connection in ready:
            if connection in lines:
                lines[connection].read()
        try:
            if self.stop.fd in ready:
                self._heed(self.stop.read())
            if time.monotonic() >= self.kill_at_s:
                self._signal_all(signal.SIGKILL)
                self.kill_at_s = math.inf
            if self.server.replies in ready:
                self._hear(self.server.reply())
        except ServerDied:
            self._replace_server()

    def _hear(self, reply: tuple[Any, ...]) -> None:
        kind, *rest = reply
        if kind == "ready":
            warnings, error = rest
            for warning in warnings:
                log.warning(warning)
            if error:
                self.server.close()  # or the next launch of this process would fork from it
                raise ConfigError(error)
        elif kind == "started":
            number, pid = rest
            run = self.running[number]
            run.pid = pid
            log.info(run.job.said(f"started on {run.slot.name}"))
            self.on_event(JobEvent(run.job, run.slot, run.pid))
        elif kind == "refused":
            number, reason = rest
            self._end(number, JobDied(f"job {number} could not be started: {reason}"))
        elif kind == "ended":
            number, exit_code = rest
            self._end(number, death(number, exit_code, self.stopped_by is not None))

    def _end(self, number: int, error: JobDied) -> None:
        """Free a job's slot; `error` is its outcome unless it sent an answer."""
        run = self.running.pop(number)
        if run.listening and run.connection.poll():
            run.read()
        run.connection.close()
        self.free.append(run.slot)
        outcome = Outcome(error=error) if run.answer is None else read_answer(run.answer)
        self.outcomes[number] = outcome
        if isinstance(outcome.error, JobDied):
            log.error(str(outcome.error))
        self.on_event(JobEvent(run.job, run.slot, run.pid, outcome))
        if self.queue and self.pool.is_last(outcome):
            log.info(f"{many(len(self.queue), 'job')} did not start: nothing more is wanted")
            self.outcomes.update({job.number: Outcome(dropped=True) for job in self.queue})
            self.queue.clear()

    def _heed(self, numbers: list[int]) -> None:
        """Pass the first signal on and give the jobs time to end; at the second, kill them."""
        for number in numbers:
            if self.stopped_by is None:
                self.stopped_by = number
                self.kill_at_s = time.monotonic() + self.pool.grace_s
                log.warning(
                    f"{signal.Signals(number).name}: {many(len(self.running), 'running job')} may take "
                    f"{self.pool.grace_s:g} s to end, {len(self.queue)} will not start; once more kills them now"
                )
                self._signal_all(number)
            elif number in INSISTING:
                self._signal_all(signal.SIGKILL)

    def _signal_all(self, number: int) -> None:
        for job_number in self.running:
            self.server.signal(job_number, number)

    def _replace_server(self) -> None:
        """Go on with a new server, if any job is still to start; the jobs of the dead one are lost.

        Raises:
            ServerDied: it had no jobs, so that a new one would fare no better.
        """
        obituary = self.server.obituary()
        if not self.running:
            raise ServerDied(obituary)
        log.error(f"{obituary}; lost with it: {many(len(self.running), 'job')}")
        self._bury_all()
        if self.queue and self.stopped_by is None:
            self.server = shared_server(self.pool.preload)

    def _bury_all(self) -> None:
        """End the jobs whose server is dead, so that nobody else can say when they have ended."""
        for number, run in list(self.running.items()):
            if run.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(run.pid, signal.SIGKILL)
            run.connection.poll(_LOST_S)
            self._end(number, death(number, None))
