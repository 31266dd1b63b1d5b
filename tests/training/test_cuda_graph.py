"""A step that is recorded as a CUDA graph: it trains what single kernels train; and where there can be none."""

from typing import ClassVar

import pytest
import torch
from lightning.pytorch import Callback
from torch import nn

from lightsweep.data.spec import DataSpec
from lightsweep.errors import ConfigError
from lightsweep.models import MLP, ConvNet, TorchvisionNet
from lightsweep.models.wrapped import Wrapped
from lightsweep.paths import RunPaths
from lightsweep.training import build, stepper, train
from lightsweep.training.clock import Clock
from lightsweep.training.cuda_graph import GradientGraph, is_hooked, recorded, resolve
from lightsweep.training.signals import StopRequest

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


class Dropping(Callback):
    """Raises the dropout's probability at the second epoch."""

    def on_train_epoch_start(self, trainer, pl_module):
        pl_module.net[-2].p = 0.1 + 0.5 * (trainer.current_epoch > 0)


class Watching(Callback):
    """Watches the network from the second epoch on, by a hook."""

    def __init__(self):
        self.seen = 0

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            pl_module.net.register_forward_hook(self.see)

    def see(self, *_):
        self.seen += 1


class Pretended(GradientGraph):
    """A graph on a CPU: what would be recorded is done each time."""

    made: ClassVar[list] = []

    def __init__(self, gradient, net, parameters, inputs, targets):
        self.gradient, self._net, self.parameters = gradient, net, parameters
        self.shape, self._recorded, self.calls = inputs.shape, recorded(net, parameters), 0
        Pretended.made.append(self)

    def __call__(self, inputs, targets):
        assert inputs.shape == self.shape
        self.calls += 1
        for parameter in self.parameters:
            parameter.grad = None
        return self.gradient(inputs, targets)


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


@pytest.fixture
def pretended(monkeypatch):
    """Graphs that a CPU makes, in the order in which they are made."""
    monkeypatch.setattr(build.cuda_graph, "resolve", lambda *_: True)
    monkeypatch.setattr(stepper, "GradientGraph", Pretended)
    monkeypatch.setattr(Pretended, "made", [])
    return Pretended.made


@pytest.mark.parametrize(
    ("callback", "calls"), [(None, [33]), (Frozen, [11, 11, 11]), (Dropping, [11, 22]), (Watching, [11])]
)
def test_what_changes_on_the_way_is_recorded_anew_and_hooks_are_called(compose, tmp_path, pretended, callback, calls):
    callbacks = [callback()] if callback else []

    result = train(compose("model=mlp", "model.dropout=0.1", "trainer.max_epochs=3"), tmp_path, callbacks=callbacks)

    assert [graph.calls for graph in pretended] == calls
    assert result.steps == 33
    assert callback is not Watching or callbacks[0].seen >= 22


def test_a_short_last_batch_is_not_the_graphs(run, tmp_path, pretended):
    overrides = ("model=softmax_regression", "data.batch_size=128", "trainer.max_epochs=2")
    run(*overrides, folder=tmp_path / "graph")

    assert [graph.calls for graph in pretended] == [8]  # 4 of 128 an epoch, and one of 38


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_a_graph_is_refused_where_there_can_be_none(device, spec):
    with pytest.raises(ConfigError, match=f"`trainer.cuda_graph` must not be true here: the run is on {device}"):
        resolve(True, MLP(spec, [4]), torch.device(device), None)
    assert not resolve(None, MLP(spec, [4]), torch.device(device), None)


def test_parts_that_decide_in_python_are_not_recorded_by_themselves(spec):
    device = torch.device("cuda")
    averaging = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(784, momentum=None), nn.Linear(784, 10))

    assert resolve(None, ConvNet(spec, [4], batch_norm=True, dropout=0.1), device, None)
    assert resolve(None, Wrapped(spec, nn.Sequential(nn.Flatten(), nn.Linear(784, 10))), device, None)
    assert not resolve(None, Wrapped(spec, averaging), device, None)
    assert not resolve(None, Wrapped(spec, type("Own", (nn.Sequential,), {})(*averaging)), device, None)
    assert resolve(True, Wrapped(spec, averaging), device, None)


def test_hooks_leave_no_place_for_a_graph(spec):
    for part, register in ((1, "register_forward_hook"), (3, "register_full_backward_hook")):
        model = MLP(spec, [4])
        assert not is_hooked(model.net)
        getattr(model.net[part], register)(lambda *_: None)
        assert is_hooked(model.net)
        assert not resolve(None, model, torch.device("cuda"), None)
        with pytest.raises(ConfigError, match="must not be true here: the network has hooks"):
            resolve(True, model, torch.device("cuda"), None)
    model = MLP(spec, [4])
    model.net[1].weight.register_hook(lambda gradient: None)
    assert is_hooked(model.net)
    assert not is_hooked(TorchvisionNet(DataSpec((1, 28, 28), 10), "squeezenet1_1").net)  # lightsweep's own hook


@pytest.mark.parametrize(
    ("overrides", "obstacle"),
    [
        ((), None),
        (("trainer=ddp", "trainer.devices=1"), None),
        (("trainer=fsdp", "trainer.devices=1"), "processes train together"),
        (("trainer=ddp", "trainer.devices=2"), "processes train together"),
        (("optimizer=lbfgs",), "LBFGS evaluates a step's loss several times"),
        (("optimizer=gd",), "a step takes the gradients of several batches"),
        (("trainer.accumulate_grad_batches=2",), "a step takes the gradients of several batches"),
    ],
)
def test_how_a_run_is_trained_may_leave_no_place_for_a_graph(compose, tmp_path, monkeypatch, overrides, obstacle):
    told = []
    monkeypatch.setattr(build.cuda_graph, "resolve", lambda *given: told.append(given[-1]))

    build.build(compose("model=softmax_regression", *overrides), RunPaths(tmp_path), Clock(), StopRequest())

    assert told == [obstacle]


def test_where_a_step_is_not_one_batch_there_is_no_graph(spec):
    assert not resolve(None, MLP(spec, [4]), torch.device("cuda"), "a step takes the gradients of several batches")
    with pytest.raises(ConfigError, match="must not be true here: a step takes"):
        resolve(True, MLP(spec, [4]), torch.device("cuda"), "a step takes the gradients of several batches")
