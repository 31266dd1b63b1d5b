"""Which process runs a trial, and whether it still lives.

A process is known by host, pid and start time: pids are used again, and a start time is not.
"""

import os
import socket
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lightsweep.linux import process_fields


@dataclass(frozen=True)
class Owner:
    """The process that claimed a trial; stored in the trial's user attributes as a plain mapping."""

    host: str
    pid: int
    started: str
    sweep: str = ""
    """The sweep whose job it is: when that sweep's launcher has returned, it is gone, on whatever host."""

    @classmethod
    def here(cls, sweep: str = "") -> "Owner":
        """This process."""
        pid = os.getpid()
        return cls(_host(), pid, _start_time(pid) or "", sweep)

    @classmethod
    def from_attribute(cls, value: dict[str, Any]) -> "Owner":
        """The owner that `to_attribute` wrote."""
        return cls(str(value["host"]), int(value["pid"]), str(value["started"]), str(value.get("sweep", "")))

    def to_attribute(self) -> dict[str, Any]:
        """A JSON-able mapping for the study."""
        return asdict(self)

    def is_local(self) -> bool:
        """Whether the owner runs where this process can look for it."""
        return self.host == _host()

    def is_dead(self) -> bool:
        """Whether the process is known to be gone; False for a process of another host, which nobody here can see."""
        return self.is_local() and _start_time(self.pid) != self.started


def _host() -> str:
    """Host name, with the pid namespace where there is one: containers share names but not pids."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        return socket.gethostname()
    return f"{socket.gethostname()} {namespace}"


def _start_time(pid: int) -> str | None:
    """When the process began, in the system's own units; None when there is no such process or it is a zombie."""
    if Path("/proc/self/stat").exists():
        fields = process_fields(pid)
        return None if not fields or fields[0] in "ZX" else fields[19]
    shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip() or None
