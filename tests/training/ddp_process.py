"""One of several processes that train a list of cases together: `python ddp_process.py <cases.json>`.

Lightning sees LOCAL_RANK, so it starts no further process.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore", message=".*LeafSpec.*")

import torch  # noqa: E402
from torch import nn  # noqa: E402

import lightsweep  # noqa: E402
from lightsweep import compose, train  # noqa: E402
from lightsweep.errors import Interrupted  # noqa: E402
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
    shared = {
        "MASTER_ADDR": "127.0.0.1",
        "WORLD_SIZE": str(size),
        "NODE_RANK": "0",
        "PYTHONPATH": os.pathsep.join(
            [
                *map(str, (Path(lightsweep.__file__).parents[1], Path(__file__).parents[2])),
                os.environ.get("PYTHONPATH", ""),
            ]
        ),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, str(folder / "cases.json")],
            env={**os.environ, **shared, "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(size)
    ]
    outputs = []
    try:
        for process in processes:
            outputs.append(process.communicate(timeout=300)[0])
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * size, "\n".join(outputs)


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


if __name__ == "__main__":
    for case in json.loads(Path(sys.argv[1]).read_text()):
        os.environ["MASTER_PORT"] = case["port"]  # under FSDP a run's store outlives it, in torch's device mesh
        cfg, folder = compose(case["overrides"]), Path(case["folder"])
        if "stop_after" in case:
            train_and_stop(cfg, folder, case["stop_after"])
            if case["goes_on"]:
                train(cfg, folder, resume=True)
        else:
            train(cfg, folder, resume=case.get("resume", False))
