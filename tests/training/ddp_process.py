"""Several processes that train a list of cases together, forked from one that has imported what they need.

Lightning sees LOCAL_RANK, so it starts no further process.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

from lightsweep.imports import lean_imports

if __name__ == "__main__":
    lean_imports()

import torch.utils.tensorboard
from lightning.fabric.utilities.rank_zero import rank_zero_only
from torch import nn

import lightsweep
from lightsweep import compose, train
from lightsweep.errors import Interrupted
from lightsweep.exiting import leave_at_once
from lightsweep.training.stepper import Stepper
from tests.ports import free_port


class Centred(nn.Module):
    """A network with a buffer that follows the inputs in training, as no normalisation's does."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(784, 10)
        self.register_buffer("centre", torch.zeros(784))

    def forward(self, inputs):
        flat = inputs.flatten(1)
        if self.training:
            self.centre.lerp_(flat.detach().mean(0), 0.1)
        return self.linear(flat - self.centre)


def train_together(cases, size, folder):
    """Train cases one after the other by `size` processes.

    Args:
        cases: each has `overrides` and a `folder`. `stop_after`: a signal asks for an end after so many steps, and the
            run is resumed at once if `goes_on`. `resume`: the folder holds a run that was stopped.
        folder: for the list of cases.
    """
    cases = [{**case, "port": str(free_port())} for case in cases]
    (folder / "cases.json").write_text(json.dumps({"cases": cases, "size": size, "output": str(folder / "output.txt")}))
    process = warm_python()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{folder / 'cases.json'}\n")
    process.stdin.flush()
    assert process.stdout.readline() == "0\n", (folder / "output.txt").read_text()


@cache
def warm_python():
    """This file as a process: one for all tests, started by the first that needs it."""
    sources = [*map(str, (Path(lightsweep.__file__).parents[1], Path(__file__).parents[2]))]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([*sources, os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen(
        [sys.executable, __file__], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(process.communicate)  # it ends where there is nothing more to read
    return process


def train_and_stop(cfg, folder, steps):
    """Train, as if a signal came to the first process after so many steps."""
    original = Stepper._step

    def step(self, *arguments):
        original(self, *arguments)
        if self.steps + 1 == steps and self.model.trainer.is_global_zero:
            self.stop.request(signal.SIGTERM)

    Stepper._step = step
    try:
        train(cfg, folder)
    except Interrupted:
        return
    finally:
        Stepper._step = original
    raise AssertionError(f"the run ended before it was stopped after {steps} steps")


def train_all(cases):
    """What one of the processes does."""
    for case in cases:
        os.environ["MASTER_PORT"] = case["port"]  # under FSDP a run's store outlives it, in torch's device mesh
        cfg, folder = compose(case["overrides"]), Path(case["folder"])
        if "stop_after" in case:
            train_and_stop(cfg, folder, case["stop_after"])
            if case["goes_on"]:
                train(cfg, folder, resume=True)
        else:
            train(cfg, folder, resume=case.get("resume", False))


def train_as_group(cases, size, output):
    """Fork the processes that train together; the first that fails ends the others, as do five minutes."""
    os.setsid()
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(0, signal.SIGKILL))
    signal.alarm(300)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(file, number)
    os.environ.update(MASTER_ADDR="127.0.0.1", WORLD_SIZE=str(size), NODE_RANK="0")
    for rank in range(size):
        if os.fork() == 0:
            os.environ["LOCAL_RANK"] = str(rank)
            rank_zero_only.rank = rank  # as Lightning reads it off when it is imported
            train_all(cases)
            leave_at_once(0)
    for _ in range(size):
        if os.wait()[1]:
            os.killpg(0, signal.SIGKILL)  # those that wait for it, too


def main():
    """Fork a group for each file of cases whose name is a line, and answer by the status that it ended with."""
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            train_as_group(**json.loads(Path(line.strip()).read_text()))
            leave_at_once(0)
        print(os.waitpid(pid, 0)[1], flush=True)


if __name__ == "__main__":
    main()
