"""Runs whole commands in processes of their own, and says what they took and what they printed."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Outcome:
    """What a command took.

    Attributes:
        seconds: wall time of the process.
        peak_mib: largest resident memory, in MiB.
        exit_code: 0 for success.
        started: when the process began, on the monotonic clock that all processes share.
        output: stdout and stderr together.
    """

    seconds: float
    peak_mib: float
    exit_code: int
    started: float
    output: str

    def json_line(self) -> dict[str, Any]:
        """The last line that is a JSON object; how the baselines tell their figures."""
        for line in reversed(self.output.splitlines()):
            if line.strip().startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"the command printed no figures:\n{self.output[-2000:]}")


def run(*arguments: str, terminal: bool = True, expect: int = 0) -> Outcome:
    """Run `python <arguments>` in the project's root.

    Args:
        arguments: as after `python`.
        terminal: whether its output goes to a pseudo-terminal, so that progress bars are drawn.
        expect: the exit code that it must end with.

    Raises:
        RuntimeError: it ended with another one.
    """
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record.json"
        witness = [sys.executable, "-I", str(Path(__file__).with_name("witness.py")), str(record), str(int(terminal))]
        environment = os.environ | {"COLUMNS": "120", "LINES": "40", "TERM": "xterm-256color"}
        subprocess.run([*witness, sys.executable, *arguments], cwd=ROOT, env=environment, check=True)
        outcome = Outcome(**json.loads(record.read_text(encoding="utf-8")))
    if outcome.exit_code != expect:
        raise RuntimeError(f"python {' '.join(arguments)} ended with {outcome.exit_code}:\n{outcome.output[-3000:]}")
    return outcome


def baseline(name: str, *arguments: str) -> Outcome:
    """Run a program of `bench/baselines`."""
    return run("-m", f"bench.baselines.{name}", *arguments)


@contextmanager
def training(*overrides: str, callback: str | None = None) -> Iterator[tuple[Outcome, Path]]:
    """Run `python train.py <overrides>`: gives its outcome and its folder, which is gone after the block.

    Args:
        overrides: Hydra overrides.
        callback: a callback of `bench.moments` that the run gets; it writes `<folder>/moments.json`.
    """
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "run"
        extra = [f"hydra.run.dir={folder}"]
        if callback is not None:
            path = folder / "moments.json"
            extra += [f"+callbacks.bench={{_target_: bench.moments.{callback}, path: {path}}}", "trust=[bench]"]
        yield run("train.py", *overrides, *extra), folder
