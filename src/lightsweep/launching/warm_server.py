"""The launching process's side of the warm server: start it, ask it for workers, hear what became of them."""

import atexit
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from lightsweep.errors import LightsweepError, end_of
from lightsweep.exiting import fill_standard_streams
from lightsweep.launching.fork_loop import FORK, REQUEST, SIGNAL

_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from lightsweep.launching.fork_loop import main; main(int(sys.argv[2]), sys.argv[3])"
)
_END_S = 10.0
_servers: dict[tuple[int, tuple[str, ...]], "WarmServer"] = {}


class ServerDied(LightsweepError):
    """The warm server ended by itself; workers that it had started are lost."""


class WarmServer:
    """A running `fork_loop`; it begins to import `preload` as soon as it is made, and is `ready` when that is done.

    Args:
        preload: names of modules; those that are not installed are left out.
    """

    def __init__(self, preload: Sequence[str]) -> None:
        ours, theirs = socket.socketpair()
        path = [os.path.abspath(entry) for entry in sys.path]
        program = [sys.executable, *subprocess._args_from_interpreter_flags(), "-c", _PROGRAM]  # type: ignore[attr-defined]
        self._process = subprocess.Popen(
            [*program, json.dumps(path), str(theirs.fileno()), json.dumps(list(preload))],
            # with this, asking torch whether there is a GPU does not initialise CUDA
            env={**os.environ, "PYTORCH_NVML_BASED_CUDA_CHECK": "1"},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        self._requests = ours
        self.replies = Connection(os.dup(ours.fileno()), writable=False)
        self.ready = False

    def fork(self, job: int, connection: Connection) -> None:
        """Ask for a worker that gets its order through `connection` and prints where this process prints.

        Raises:
            ServerDied: there is no server any more.
        """
        fill_standard_streams()
        try:
            socket.send_fds(self._requests, [REQUEST.pack(FORK, job, 0)], [connection.fileno(), 1, 2])
        except OSError as problem:
            raise ServerDied(self.obituary()) from problem

    def signal(self, job: int, number: int) -> None:
        """Send a signal to a job's worker, SIGKILL to its whole process group; nothing if it has ended.

        Raises:
            ServerDied: there is no server any more.
        """
        try:
            self._requests.sendall(REQUEST.pack(SIGNAL, job, number))
        except OSError as problem:
            raise ServerDied(self.obituary()) from problem

    def reply(self) -> tuple[Any, ...]:
        """The next reply of `ForkLoop`; waits for it.

        Raises:
            ServerDied: there will be none.
        """
        try:
            reply = self.replies.recv()
        except (EOFError, OSError) as problem:
            raise ServerDied(self.obituary()) from problem
        self.ready = self.ready or reply[0] == "ready"
        return reply

    @property
    def alive(self) -> bool:
        """Whether the server's process still runs."""
        return self._process.poll() is None

    def obituary(self) -> str:
        """How the server ended."""
        return f"the launcher's warm server {end_of(self._process.wait(_END_S))}"

    def close(self) -> None:
        """End the server and every worker it has."""
        self._requests.close()
        self.replies.close()
        if not self.ready:  # it has no workers, and does not listen while it imports
            self._process.kill()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def shared_server(preload: Sequence[str]) -> WarmServer:
    """The server of this process for these modules, started at the first call and again if it has died."""
    if not _servers:
        atexit.register(close_servers)
    key = (os.getpid(), tuple(preload))
    server = _servers.get(key)
    if server is None or not server.alive:
        if server is not None:
            server.close()
        server = _servers[key] = WarmServer(preload)
    return server


def close_servers() -> None:
    """End the servers of this process; a fork of it leaves those of its parent alone."""
    for key, server in list(_servers.items()):
        if key[0] == os.getpid():
            server.close()
        del _servers[key]
