"""The warm server: a process that has imported the heavy modules and forks one worker for each request.

It runs no tensor operation and starts no thread, so that its forks are sound. It lives in a session of its own, out of
reach of the terminal's signals, and ends every worker's process group when the launching process is gone.
`warm_server` is the launching process's side.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import selectors
import signal
import socket
import struct
import sys
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection

from lightsweep.exiting import run_program
from lightsweep.imports import LEAN, lean_imports

REQUEST = struct.Struct("!cqq")
"""A request: what to do, the job's number, and a signal's number for SIGNAL."""

FORK, SIGNAL = b"F", b"S"
NUM_FDS = 3
PARENT_CHECK_S = 1.0
HELD_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Fork:
    """What a new worker has got from its server: its line to the launching process, and where to print."""

    connection: int
    stdout: int
    stderr: int


class ForkLoop:
    """Forks, signals and reaps workers on request.

    Replies are tuples: ("ready", warnings, error), ("started", job, pid), ("refused", job, reason) and
    ("ended", job, exit_code).

    Args:
        requests: the socket that is shared with the launching process.
    """

    def __init__(self, requests: socket.socket) -> None:
        self.requests = requests
        self.replies = Connection(os.dup(requests.fileno()), readable=False)
        self.launcher_pid = os.getppid()
        self.jobs: dict[int, int] = {}  # by the worker's process id

    def preload(self, modules: list[str]) -> None:
        """Import `modules`, and report to the launching process what could not be imported."""
        warnings, error = [], ""
        if LEAN in os.environ:
            lean_imports()
        for name in modules:
            if self._is_orphan():
                os._exit(0)
            try:
                importlib.import_module(name)
            except ModuleNotFoundError:  # not installed, or without an optional package: nothing to warm
                continue
            except Exception as problem:  # broken: jobs that need it meet the error themselves
                warnings.append(f"could not preload {name}: {type(problem).__name__}: {problem}")
            torch = sys.modules.get("torch")
            if torch is not None and torch.cuda.is_initialized():
                error = f"importing {name} starts CUDA, which no fork survives; take it out of `hydra.launcher.preload`"
                break
        gc.collect()
        gc.freeze()  # pages that the collector never touches stay shared with the workers
        self._tell("ready", warnings, error)

    def serve(self) -> Fork | None:
        """Answer requests until the launching process is gone: None. In a new worker, give that worker its Fork."""
        # held back from the server for good, and from a worker until it has begun its job
        signal.pthread_sigmask(signal.SIG_BLOCK, HELD_SIGNALS)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        wake, wake_writer = socket.socketpair()
        wake.setblocking(False)
        wake_writer.setblocking(False)
        with wake, wake_writer, selectors.DefaultSelector() as selector:
            selector.register(self.requests, selectors.EVENT_READ)
            selector.register(wake, selectors.EVENT_READ)
            signal.set_wakeup_fd(wake_writer.fileno())
            try:
                return self._serve(selector, wake)
            finally:
                signal.set_wakeup_fd(-1)

    def _serve(self, selector: selectors.BaseSelector, wake: socket.socket) -> Fork | None:
        while True:
            ready = [key.fileobj for key, _ in selector.select(PARENT_CHECK_S)]
            if wake in ready:
                wake.recv(65536)
                self._reap()
            if self.requests in ready:
                fork = self._answer()
                if fork is not None:
                    return fork
            if self._is_orphan():
                self._end_all()
                return None

    def _is_orphan(self) -> bool:
        """Whether the launching process is gone; a fork of it may keep the socket open, so its id is looked at too."""
        if os.getppid() != self.launcher_pid:
            return True
        readable, _, _ = select.select([self.requests], [], [], 0)
        try:
            return bool(readable) and not self.requests.recv(1, socket.MSG_PEEK)
        except ConnectionResetError:  # it ended with replies unread
            return True

    def _answer(self) -> Fork | None:
        try:
            message, fds, _, _ = socket.recv_fds(self.requests, REQUEST.size, NUM_FDS)
        except ConnectionResetError:  # the launching process ended with replies unread
            return None
        if not message:
            return None
        action, job, number = REQUEST.unpack(message)
        if action == SIGNAL:
            self._signal(job, number)
            return None
        return self._fork(job, Fork(*fds))

    def _fork(self, job: int, fork: Fork) -> Fork | None:
        try:
            pid = os.fork()
        except OSError as problem:
            self._tell("refused", job, str(problem))
        else:
            if pid == 0:
                self._become_worker()
                return fork
            self.jobs[pid] = job
            self._tell("started", job, pid)
        for fd in (fork.connection, fork.stdout, fork.stderr):
            os.close(fd)
        return None

    def _become_worker(self) -> None:
        """Drop what belongs to the server; the new session makes one process group of the worker and its children."""
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.requests.close()
        self.replies.close()
        self.jobs.clear()

    def _signal(self, job: int, number: int) -> None:
        """Send SIGKILL to a job's whole group, any other signal to the worker alone, which looks after its children."""
        for pid in [pid for pid, running in self.jobs.items() if running == job]:
            if number == signal.SIGKILL:
                _kill_group(pid)
            else:
                os.kill(pid, number)

    def _reap(self) -> None:
        """Report the workers that have ended, after their groups are cleared of what they left running."""
        for pid in list(self.jobs):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                _kill_group(pid)  # before the wait: until then no other process can get this id
                _, status = os.waitpid(pid, 0)
                job = self.jobs.pop(pid)
                self._tell("ended", job, os.waitstatus_to_exitcode(status))

    def _tell(self, *reply: object) -> None:
        with contextlib.suppress(ConnectionError):  # the loop's next look finds that the launching process is gone
            self.replies.send(reply)

    def _end_all(self) -> None:
        for pid in self.jobs:
            _kill_group(pid)
        for pid in self.jobs:
            os.waitpid(pid, 0)


def _kill_group(pid: int) -> None:
    """Kill an unreaped child and its group, which does not exist yet if the child has just been forked."""
    os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def main(socket_fd: int, preload: str) -> None:
    """The program of the server and of its workers.

    Args:
        socket_fd: the server's end of the socket.
        preload: the modules to import, as a JSON list.
    """
    run_program(partial(_serve_and_work, socket_fd, json.loads(preload)))


def _serve_and_work(socket_fd: int, preload: list[str]) -> None:
    """Every worker is a return from `serve`."""
    from lightsweep.launching import worker

    with socket.socket(fileno=socket_fd) as requests:
        loop = ForkLoop(requests)
        loop.preload(preload)
        fork = loop.serve()
    if fork is not None:
        worker.work(fork)
