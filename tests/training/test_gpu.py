"""On a GPU: the steps of a chunk are queued without waiting for the device, and train what a CPU trains."""

import warnings

import pytest
import torch

from lightsweep.paths import RunPaths
from lightsweep.training.stepper import Stepper

pytestmark = pytest.mark.gpu

CASES = {
    "momentum": ("model=mlp",),
    "adam": ("model=mlp", "optimizer=adam", "scheduler=cosine"),
    "clipped": ("model=mlp", "trainer.grad_clip=0.1", "trainer.accumulate_grad_batches=2"),
    "augmented": (
        "model=convnet",
        "model.filters=[[4],[4,4]]",
        "model.batch_norm=true",
        "data.shift=1",
        "data.rotate=5",
    ),
    "weighed": ("model=softmax_regression", "data.class_weights=balanced"),
}


@pytest.fixture(autouse=True)
def _needs_cuda():
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")


@pytest.mark.parametrize("graph", ["true", "false"])
@pytest.mark.parametrize("case", CASES)
def test_the_steps_of_a_chunk_never_wait_for_the_device(run, monkeypatch, case, graph):
    if case == "clipped" and graph == "true":
        pytest.skip("a graph is of one batch, and this case takes two a step")
    steps = []

    def unwaiting(self, group, total, step=Stepper._step):
        mode("error" if steps else "default")  # the first one may set up libraries
        try:
            step(self, group, total)
        finally:
            mode("default")
        steps.append(total)

    def mode(name):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Synchronization debug mode is a prototype")
            torch.cuda.set_sync_debug_mode(name)

    monkeypatch.setattr(Stepper, "_step", unwaiting)

    result = run(*CASES[case], "trainer.accelerator=gpu", "test=false", f"trainer.cuda_graph={graph}")

    assert result.device == torch.cuda.get_device_name()
    assert len(steps) == result.steps > 4


def test_a_gpu_trains_what_a_cpu_trains(run, tmp_path):
    states = []
    for accelerator in ("cpu", "gpu"):
        folder = tmp_path / accelerator
        options = ("model=mlp", "optimizer=adam", "trainer.precision=64-true", "trainer.max_epochs=2")
        run(*options, f"trainer.accelerator={accelerator}", folder=folder)
        states.append(torch.load(RunPaths(folder).last, weights_only=True, map_location="cpu")["state_dict"])

    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, rtol=1e-7, atol=1e-9)


def test_a_deterministic_run_is_shown_whole(run):
    shown = ("logger=tensorboard", "logger.tensorboard.histograms=true")

    result = run("model=mlp", "trainer.deterministic=true", "trainer.accelerator=gpu", *shown)

    assert result.status == "completed"
