"""A Python that has imported what a run needs, and forks a process for each command: real ones, in 0.1 s and not 5 s.

A command is a line of JSON: argv, folder, environment, out and err (files), and optionally a fault. The answers are the
process's id, and, when it has ended, its exit code (negative: the signal that ended it), a line each.

A fault is a signal that the process sends itself when the n-th line of lightsweep's own code is about to run, so the
same fault falls at the same place each time. Without one, the lines are counted, and the count is put into a file.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = str(ROOT / "src" / "lightsweep")


@dataclass
class Newborn:
    """A process of the nursery's that runs."""

    nursery: "Nursery"
    pid: int

    def wait(self) -> int:
        """Its exit code, when it has ended."""
        return int(self.nursery.answer())


class Nursery:
    """The test's side of a Python that forks; one process at a time."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            env={**environment, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, folder: Path, *arguments: str, fault: tuple[int, int] | None = None, **environment: str) -> Newborn:
        """Start `train.py` with arguments in a folder; `fault` is a line's number and a signal's."""
        folder.mkdir(parents=True, exist_ok=True)
        command = {
            "argv": [str(ROOT / "train.py"), *arguments],
            "folder": str(folder),
            "environment": {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", **environment},
            "out": str(folder / "out.txt"),
            "err": str(folder / "err.txt"),
            "fault": fault,
            "lines": str(folder / "lines.txt"),
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return Newborn(self, int(self.answer()))

    def answer(self) -> str:
        """The next line that the nursery says."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the nursery has died"
        return line

    def close(self) -> None:
        """End it."""
        with self._process:
            self._process.kill()


class Lines:
    """Counts the lines of lightsweep's code that run, and sends a signal before one of them."""

    def __init__(self, fault: tuple[int, int] | None) -> None:
        self.at, self.signal = fault or (0, 0)
        self.count = 0

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        """What Python calls for each new frame."""
        return self._line if frame.f_code.co_filename.startswith(PACKAGE) else None

    def _line(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line":
            self.count += 1
            if self.count == self.at:
                where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
                os.write(1, f"line {self.count}, {where}: signal {self.signal}\n".encode())
                os.kill(os.getpid(), self.signal)
        return self._line


def main() -> None:
    """Fork for each command."""
    from lightsweep.imports import lean_imports

    lean_imports()
    import optuna
    import torch.utils.tensorboard

    import lightsweep.reporting.summary
    import lightsweep.training

    assert {optuna, torch, lightsweep}
    for line in sys.stdin:
        command = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os._exit(_run(command))
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _run(command: Mapping[str, Any]) -> int:
    from lightsweep import exiting
    from tests.sweeping.warm_python import run

    lines, leave_at_once = Lines(command["fault"]), exiting.leave_at_once

    def note() -> None:
        sys.settrace(None)
        Path(command["lines"]).write_text(str(lines.count))

    def note_and_leave(code: int) -> NoReturn:
        note()
        leave_at_once(code)

    exiting.leave_at_once = note_and_leave
    sys.settrace(lines)
    code = run(dict(command))
    note()
    return code


if __name__ == "__main__":
    main()
