"""On a device of which nothing can be read, torch's `meta`: a chunk's steps run there as they do on a GPU.

Its tensors have shapes and no values. Where a step would wait for a GPU to read a number off it, or meets a tensor
that was left on the CPU, torch raises here. A GPU's own kernels and streams are left to test_gpu.
"""

import pytest
import torch

from lightsweep.data.loader import DeviceBatches
from lightsweep.paths import conf_dir
from lightsweep.training.build import build_stepper
from lightsweep.training.clock import Clock
from lightsweep.training.signals import StopRequest

DEVICE = torch.device("meta")
CONVNET = ("model=convnet", "model.filters=[[4],[4,4]]", "model.batch_norm=true")
CASES = {
    "linear": ("model=linear_regression", "data=line"),
    "logistic": ("model=logistic_regression", "data=mnist_binary"),
    "weighed": ("model=softmax_regression", "data.class_weights=balanced"),
    "smoothed": ("model=mlp", "model.dropout=0.2", "model.label_smoothing=0.1", "model.batch_norm=true"),
    "clipped": ("model=mlp", "trainer.grad_clip=0.1", "trainer.accumulate_grad_batches=2"),
    "averaged": ("model=mlp", "trainer.ema_decay=0.9", "trainer.lr_batch_size=256"),
    "augmented": (*CONVNET, "data.shift=1", "data.rotate=5", "data.zoom=0.1"),
}


def choices(group, but):
    names = [path.stem for path in sorted((conf_dir() / group).glob("*.yaml"))]
    return {f"{group}={name}": (*CONVNET, f"{group}={name}") for name in names if name != but}


CASES |= choices("scheduler", but="plateau")  # which reads a metric, between epochs
CASES |= choices("optimizer", but="lbfgs")  # which reads the loss, by its nature


@pytest.mark.parametrize("case", CASES)
def test_steps_and_evaluation_read_nothing_off_the_device(initial, compose, case):
    datamodule, model = initial(*CASES[case])
    preparation = datamodule._batches("train").preparation
    batches = DeviceBatches(datamodule.splits["train"].read(), preparation, DEVICE)
    model.to(DEVICE)
    stepper = build_stepper(compose(*CASES[case]), datamodule, model, "max", Clock(), StopRequest(), DEVICE)
    stepper._parameters = list(model.net.parameters())
    sizes = [10] * (stepper.accumulate or 1)

    model.train()
    for _ in range(3):
        stepper._step(batches.gather([torch.arange(size) for size in sizes]), sum(sizes))
    stepper._tally._count()
    model.eval()
    for batch in batches.slices(iter([slice(0, 30), slice(30, 37)])):
        model.validation_step(batch, 0)

    assert model._sums["val"].device == DEVICE
    assert all(parameter.grad.device == DEVICE for parameter in stepper._parameters)
