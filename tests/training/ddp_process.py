"""Several processes that train a list of cases together: `python ddp_process.py <cases.json>`.

Lightning sees LOCAL_RANK, so it starts no further process.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path

warnings.filterwarnings("ignore", message=".*LeafSpec.*")

import torch  # noqa: E402
from lightning.fabric.utilities.rank_zero import rank_zero_only  # noqa: E402
from torch import nn  # noqa: E402

import lightsweep  # noqa: E402
from lightsweep import compose, train  # noqa: E402
from lightsweep.errors import Interrupted  # noqa: E402
from lightsweep.exiting import leave_at_once  # noqa: E402
from lightsweep.training.stepper import Stepper  # noqa: E402


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
    cases = [{**case, "port": free_port()} for case in cases]
    (folder / "cases.json").write_text(json.dumps(cases))
    sources = [*map(str, (Path(lightsweep.__file__).parents[1], Path(__file__).parents[2]))]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([*sources, os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen(
        [sys.executable, __file__, str(folder / "cases.json")],
        env={**environ, "MASTER_ADDR": "127.0.0.1", "WORLD_SIZE": str(size), "NODE_RANK": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output = process.communicate(timeout=300)[0]
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, output


def free_port():
    """A port that nobody listens on, as a text."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


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


def main():
    """Fork the processes, so that one import serves all; the first that fails ends the others."""
    cases = json.loads(Path(sys.argv[1]).read_text())
    for rank in range(size := int(os.environ["WORLD_SIZE"])):
        if os.fork() == 0:
            os.environ["LOCAL_RANK"] = str(rank)
            rank_zero_only.rank = rank  # as Lightning reads it off when it is imported
            train_all(cases)
            leave_at_once(0)
    for _ in range(size):
        if os.wait()[1]:
            os.killpg(0, signal.SIGKILL)  # those that wait for it, too


if __name__ == "__main__":
    main()
