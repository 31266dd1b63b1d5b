"""A step that is recorded as a CUDA graph: it trains what single kernels train; and where there can be none."""

import pytest
import torch
from lightning.pytorch import Callback
from torch import nn

from lightsweep.data.spec import DataSpec
from lightsweep.errors import ConfigError
from lightsweep.models import MLP, ConvNet
from lightsweep.models.wrapped import Wrapped
from lightsweep.paths import RunPaths
from lightsweep.training import train
from lightsweep.training.cuda_graph import resolve

GPU = ("trainer.accelerator=gpu", "trainer.deterministic=true", "test=false")
CONVNET = ("model=convnet", "model.filters=[[4],[4,4]]", "model.batch_norm=true", "model.dropout=0.2")
CASES = {
    "softmax": ("model=softmax_regression",),
    "linear": ("model=linear_regression", "data=line", "optimizer=adagrad"),
    "weighed": ("model=logistic_regression", "data=mnist_binary", "data.class_weights=balanced"),
    "normalised": ("model=mlp", "model.batch_norm=true", "model.dropout=0.3", "optimizer=adam", "scheduler=onecycle"),
    "clipped": ("model=mlp", "trainer.grad_clip=0.1", "trainer.ema_decay=0.9", "trainer.precision=64-true"),
    "augmented": (*CONVNET, "data.shift=1", "data.rotate=5", "optimizer=nesterov", "trainer.precision=bf16-mixed"),
    "short last batch": (*CONVNET, "data.batch_size=128", "optimizer=rmsprop"),
}

READS = """
from torch import nn
class Reads(nn.Sequential):
    def __init__(self, **_): super().__init__(nn.Flatten(), nn.Linear(784, 10))
    def forward(self, x): return super().forward(x) * (1 + 0 * x.sum().item())
"""


class Frozen(Callback):
    """Freezes the first layer at the second epoch, and sets it free at the third."""

    def on_train_epoch_start(self, trainer, pl_module):
        first = next(part for part in pl_module.net if isinstance(part, nn.Linear))
        first.requires_grad_(trainer.current_epoch != 1)


@pytest.fixture
def gpu():
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")


@pytest.fixture
def spec():
    return DataSpec((1, 28, 28), 10)


def state_of(folder):
    return torch.load(RunPaths(folder).last, weights_only=True, map_location="cpu")


def assert_same(one, other):
    for name, tensor in state_of(one)["state_dict"].items():
        assert torch.equal(tensor, state_of(other)["state_dict"][name]), name


@pytest.mark.gpu
@pytest.mark.parametrize("case", CASES)
def test_a_recorded_step_trains_what_single_kernels_train(run, tmp_path, gpu, case):
    results = [
        run(*GPU, *CASES[case], "trainer.max_epochs=3", f"trainer.cuda_graph={graph}", folder=tmp_path / graph)
        for graph in ("null", "false")
    ]

    assert [result.cuda_graph for result in results] == [True, False]
    assert_same(tmp_path / "null", tmp_path / "false")
    assert results[0].metrics == results[1].metrics


@pytest.mark.gpu
def test_a_run_that_goes_on_records_anew_and_changes_no_bit(run, compose, tmp_path, gpu):
    overrides = (*GPU, *CASES["normalised"], "scheduler=cosine", "scheduler.T_max=33", "trainer.max_epochs=3")
    run(*overrides, folder=tmp_path / "whole")
    run(*overrides, "trainer.max_steps=17", folder=tmp_path / "in_two")

    result = train(compose(*overrides), tmp_path / "in_two", resume=True)

    assert result.cuda_graph
    assert_same(tmp_path / "whole", tmp_path / "in_two")


@pytest.mark.gpu
def test_layers_that_are_frozen_on_the_way_are_recorded_anew(compose, tmp_path, gpu):
    for graph in ("true", "false"):
        cfg = compose(*GPU, "model=mlp", "trainer.max_epochs=3", f"trainer.cuda_graph={graph}")
        train(cfg, tmp_path / graph, callbacks=[Frozen()])

    assert_same(tmp_path / "true", tmp_path / "false")


@pytest.mark.gpu
def test_a_network_that_cannot_be_recorded_is_told(run, importable, gpu):
    importable("reads", READS)
    overrides = ("model=softmax_regression", "model._target_=reads.Reads", "~model.label_smoothing", "trust=[reads]")

    assert not run(*GPU, *overrides).cuda_graph
    with pytest.raises(ConfigError, match=r"`trainer.cuda_graph`: the network's step cannot be recorded .*false$"):
        run(*GPU, *overrides, "trainer.cuda_graph=true")
    assert run(*GPU, "model=mlp").cuda_graph  # nothing is left of the attempt


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_a_graph_is_refused_where_there_can_be_none(device, spec):
    with pytest.raises(ConfigError, match=f"`trainer.cuda_graph` must not be true here: the run is on {device}"):
        resolve(True, MLP(spec, [4]), torch.device(device), None)
    assert not resolve(None, MLP(spec, [4]), torch.device(device), None)


def test_parts_that_decide_in_python_are_not_recorded_by_themselves(spec):
    device = torch.device("cuda")
    hooked = MLP(spec, [4])
    hooked.net[1].register_forward_hook(lambda *_: None)
    averaging = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(784, momentum=None), nn.Linear(784, 10))

    assert resolve(None, ConvNet(spec, [4], batch_norm=True, dropout=0.1), device, None)
    assert resolve(None, Wrapped(spec, nn.Sequential(nn.Flatten(), nn.Linear(784, 10))), device, None)
    assert not resolve(None, hooked, device, None)
    assert not resolve(None, Wrapped(spec, averaging), device, None)
    assert not resolve(None, Wrapped(spec, type("Own", (nn.Sequential,), {})(*averaging)), device, None)
    assert resolve(True, hooked, device, None)


def test_where_a_step_is_not_one_batch_there_is_no_graph(spec):
    assert not resolve(None, MLP(spec, [4]), torch.device("cuda"), "a step takes the gradients of several batches")
    with pytest.raises(ConfigError, match="must not be true here: a step takes"):
        resolve(True, MLP(spec, [4]), torch.device("cuda"), "a step takes the gradients of several batches")
