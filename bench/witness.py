"""Runs one command and writes what it took. A program of its own, because a process inherits its parent's peak memory.

Usage: python witness.py RECORD TERMINAL command…, where TERMINAL is 1 to give the command a pseudo-terminal. The record
is JSON: `seconds`, `peak_mib`, `exit_code`, `started` (the monotonic clock, which all processes share) and `output`.
"""

import json
import os
import pty
import resource
import subprocess
import sys
import time


def main(record: str, terminal: bool, command: list[str]) -> None:
    """Run the command, and write the record."""
    reading, writing = pty.openpty() if terminal else os.pipe()
    started = time.monotonic()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.STDOUT)
    os.close(writing)
    output = b"".join(iter(lambda: _read(reading), b""))
    exit_code = child.wait()
    seconds = time.monotonic() - started
    peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    values = {"seconds": seconds, "peak_mib": peak_mib, "exit_code": exit_code, "started": started}
    with open(record, "w", encoding="utf-8") as file:
        json.dump(values | {"output": output.decode(errors="replace")}, file)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 2**16)
    except OSError:  # Linux's word for the end of a pseudo-terminal
        return b""


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] == "1", sys.argv[3:])
