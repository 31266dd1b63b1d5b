"""float16 with a scaled loss: a plain loop's numbers, also where gradients overflow and where a run goes on."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD

from lightsweep.data import DataSpec
from lightsweep.errors import ConfigError
from lightsweep.models import MLP
from lightsweep.paths import RunPaths
from lightsweep.training import precision, train
from lightsweep.training.build import _without_graph
from tests.training.ddp_process import train_and_stop

BASE = (
    *("model=mlp", "model.widths=[12]", "optimizer=momentum", "data.batch_size=50", "trainer.precision=16-mixed"),
    *("test=false", "trainer.inner_steps=4"),
)
TOO_LARGE = 2.0**30
"""A first scale with which the gradients of several steps overflow."""


@pytest.fixture
def scales(monkeypatch):
    """Lets all scaling begin at a scale, which doubles after so many steps without overflow."""

    def begin(scale):
        scaler = partial(torch.amp.GradScaler, init_scale=scale, growth_interval=3)
        monkeypatch.setattr(precision, "GradScaler", scaler)
        return scaler("cpu")

    return begin


def plain_loop(datamodule, net, scaler, clip):
    """An epoch by hand; gives the number of steps that were left out."""
    optimizer, left_out = SGD(net.parameters(), lr=0.01, momentum=0.9, fused=True), 0
    batches = (batch for chunk in datamodule.train_dataloader() for batch in chunk.batches)
    for inputs, targets in batches:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.float16):
            outputs = net(inputs)
        scaler.scale(F.cross_entropy(outputs.float(), targets)).backward()
        if clip is not None:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(net.parameters(), clip)
        before = scaler.get_scale()
        scaler.step(optimizer)
        scaler.update()
        left_out += scaler.get_scale() < before
    return left_out


@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("scale", [2.0**10, TOO_LARGE])
def test_a_plain_loop_with_a_scaler_gives_the_same_bits(run, initial, tmp_path, scales, scale, clip):
    overrides = (*BASE, *([f"trainer.grad_clip={clip}"] if clip else []))
    scaler = scales(scale)

    result = run(*overrides, folder=tmp_path)

    datamodule, model = initial(*overrides)
    left_out = plain_loop(datamodule, model.net, scaler, clip)
    saved = torch.load(RunPaths(tmp_path).last, weights_only=True)
    assert (result.precision, result.steps) == ("16-mixed", 11)
    assert (left_out > 0) == (scale == TOO_LARGE)
    for name, parameter in model.net.state_dict().items():
        assert torch.equal(saved["state_dict"][f"net.{name}"], parameter), name


def test_a_run_that_was_stopped_goes_on_with_its_scale(compose, run, tmp_path, scales):
    scales(TOO_LARGE)
    overrides = (
        *BASE,
        "optimizer=rmsprop",
        "scheduler=onecycle",
        "trainer.max_epochs=2",
        "trainer.accumulate_grad_batches=2",
    )
    run(*overrides, folder=tmp_path / "whole")
    train_and_stop(compose(*overrides), tmp_path / "stopped", 8)
    train(compose(*overrides), tmp_path / "stopped", resume=True)

    one, other = (torch.load(RunPaths(tmp_path / name).last, weights_only=True) for name in ("whole", "stopped"))
    assert one["state_dict"].keys() == other["state_dict"].keys()
    assert all(torch.equal(one["state_dict"][name], value) for name, value in other["state_dict"].items())
    assert scale_of(one) == scale_of(other) < TOO_LARGE


def scale_of(checkpoint):
    """The scale that a checkpoint holds."""
    states = [state for state in checkpoint["callbacks"].values() if "stepper" in state]
    return states[0]["stepper"]["scaler"]["scale"]


@pytest.mark.parametrize(
    ("resolved", "sharded", "device", "line"),
    [
        (
            "16-mixed",
            True,
            "cpu",
            r"^`trainer\.precision` must not be 16-mixed with trainer\.strategy=fsdp: set it to bf16",
        ),
        ("16-mixed", False, "mps", r"^`trainer\.precision` must not be 16-mixed on mps: set it to 32-true$"),
    ],
)
def test_where_it_is_not_made_for_it_is_refused(resolved, sharded, device, line):
    model = MLP(DataSpec((4,), 3), [5])
    device = torch.device(device)
    with pytest.raises(ConfigError, match=line):
        precision.loss_scaler(precision.resolve(resolved, model, device), [SGD(model.parameters())], sharded, device)


def test_lbfgs_is_refused(run):
    with pytest.raises(
        ConfigError, match=r"^`trainer\.precision` must not be 16-mixed with LBFGS: set it to bf16-mixed"
    ):
        run("model=softmax_regression", "optimizer=lbfgs", "trainer.precision=16-mixed")


def test_no_graph_is_recorded_of_a_step_that_was_not_tried_on_a_gpu():
    stepper = SimpleNamespace(scaler=torch.amp.GradScaler("cpu"), optimizers=[None], accumulate=1)
    trainer = SimpleNamespace(world_size=1, strategy=None)

    assert _without_graph(stepper, trainer) == "float16 has its loss scaled"
