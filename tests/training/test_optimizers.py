"""From an optimizer's YAML to torch's optimizers over a model's parameter groups."""

from functools import partial

import pytest
import torch
from torch import nn

from lightsweep.errors import ConfigError
from lightsweep.paths import RunPaths
from lightsweep.training.build import build
from lightsweep.training.clock import Clock
from lightsweep.training.optimizers import build_optimizers, muon, parameter_groups, scaled
from lightsweep.training.signals import StopRequest


@pytest.fixture
def net():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 4), nn.LayerNorm(4))


def names(net, group):
    known = {id(parameter): name for name, parameter in net.named_parameters()}
    return [known[id(parameter)] for parameter in group["params"]]


def test_decay_is_for_weights_and_not_for_biases_and_norms(net):
    decayed, spared = parameter_groups(net, decay_bias_and_norm=False)

    assert names(net, decayed) == ["0.weight", "3.weight"]
    assert names(net, spared) == ["0.bias", "1.weight", "1.bias", "3.bias", "4.weight", "4.bias"]
    assert spared["weight_decay"] == 0.0


def test_biases_of_other_names_are_spared_too():
    net = nn.ModuleList([nn.LSTM(2, 3), nn.MultiheadAttention(4, 2)])

    decayed, spared = parameter_groups(net, decay_bias_and_norm=False)

    assert names(net, decayed) == ["0.weight_ih_l0", "0.weight_hh_l0", "1.in_proj_weight", "1.out_proj.weight"]
    assert names(net, spared) == ["0.bias_ih_l0", "0.bias_hh_l0", "1.in_proj_bias", "1.out_proj.bias"]


def test_rates_are_scaled_with_the_batch_and_nothing_else_is():
    factory = partial(torch.optim.AdamW, lr=0.1, eps=1e-8, weight_decay=0.3)
    cycle = partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=0.1, total_steps="auto", pct_start=0.3)

    assert scaled(factory, 4).keywords == {"lr": 0.4, "eps": 1e-8, "weight_decay": 0.3}
    assert scaled(cycle, 0.5).keywords == {"max_lr": 0.05, "total_steps": "auto", "pct_start": 0.3}
    several = partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=[0.1, 0.2], total_steps=9)
    assert scaled(several, 2).keywords == {"max_lr": [0.2, 0.4], "total_steps": 9}
    schedulers = torch.optim.lr_scheduler
    assert scaled(partial(muon, lr=0.1, adamw_lr=None), 2).keywords == {"lr": 0.2, "adamw_lr": None}
    others = {"eta_min": schedulers.CosineAnnealingLR, "min_lr": schedulers.ReduceLROnPlateau,
              "base_lr": schedulers.CyclicLR, "adamw_lr": muon}  # fmt: skip
    for key, kind in others.items():
        assert scaled(partial(kind, **{key: 0.1}), 2).keywords == {key: 0.2}
    assert scaled(cycle, 0.5).func is torch.optim.lr_scheduler.OneCycleLR


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (("optimizer=sgd",), 0.5),
        (("optimizer=sgd", "trainer.accumulate_grad_batches=2"), 1.0),
        (("optimizer=sgd", "trainer.accumulate_grad_batches=50"), 5.5),  # an epoch has 550 examples
        (("optimizer=gd",), 5.5),
        (("optimizer=gd", "trainer.limit_train_batches=3"), 1.5),
    ],
)
def test_a_rate_is_scaled_by_the_examples_of_a_step(compose, tmp_path, overrides, expected):
    cfg = compose("model=softmax_regression", "optimizer.lr=0.1", "trainer.lr_batch_size=10", *overrides)

    assert build(cfg, RunPaths(tmp_path), Clock(), StopRequest()).stepper.lr == pytest.approx(expected)


def test_decay_is_for_all_where_that_is_asked_for(net):
    (group,) = parameter_groups(net, decay_bias_and_norm=True)

    assert names(net, group) == [name for name, _ in net.named_parameters()]


def test_frozen_parameters_are_left_alone(net):
    net[0].requires_grad_(False)

    found = [name for group in parameter_groups(net, False) for name in names(net, group)]

    assert "0.weight" not in found
    assert "3.weight" in found


def test_muon_takes_hidden_matrices_alone():
    net = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))

    adamw, hidden = build_optimizers(partial(muon, lr=0.1), net, False)

    assert names(net, hidden.param_groups[0]) == ["2.weight"]
    rest = [name for group in adamw.param_groups for name in names(net, group)]
    assert sorted(rest) == ["0.bias", "0.weight", "2.bias", "4.bias", "4.weight"]


def test_muon_takes_no_last_layer_where_a_bias_is_a_matrix_too():
    net = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    net[1].bias_table = nn.Parameter(torch.zeros(9, 2))

    _, hidden = build_optimizers(partial(muon, lr=0.1, weight_decay=0.1), net, False)

    assert names(net, hidden.param_groups[0]) == ["1.weight"]


def test_rate_and_momentum_of_muon_are_those_of_its_settings(compose, tmp_path):
    cfg = compose("model=mlp", "model.widths=[8,8]", "optimizer=muon", "optimizer.lr=0.3", "optimizer.momentum=0.7")

    stepper = build(cfg, RunPaths(tmp_path), Clock(), StopRequest()).stepper

    assert (stepper.lr, stepper.momentum) == (0.3, 0.7)


def test_muon_without_hidden_matrices_is_adamw_alone():
    (found,) = build_optimizers(partial(muon, lr=0.1), nn.Linear(3, 2), False)

    assert isinstance(found, torch.optim.AdamW)


@pytest.mark.parametrize(
    ("factory", "text"),
    [
        (
            partial(torch.optim.SGD, lr=0.1, colour=1),
            r"^`optimizer\.colour` is no key of SGD, which takes lr, momentum",
        ),
        (partial(torch.optim.SGD, lr=0.1, nesterov=True), r"^`optimizer`: SGD refuses its settings: Nesterov"),
        (partial(torch.optim.SGD, fused=True, foreach=True), r"^`optimizer`: SGD refuses its settings: `fused` and"),
    ],
)
def test_settings_that_an_optimizer_does_not_have_are_the_users_mistake(net, factory, text):
    with pytest.raises(ConfigError, match=text):
        build_optimizers(factory, net, False)


@pytest.mark.parametrize("implementation", ["foreach", "differentiable"])
def test_an_implementation_that_is_asked_for_is_the_one_that_is_taken(net, implementation):
    (found,) = build_optimizers(partial(torch.optim.SGD, lr=0.1, **{implementation: True}), net, False)

    assert found.param_groups[0][implementation]
    assert not found.param_groups[0]["fused"]


def test_a_network_without_parameters_cannot_be_trained():
    with pytest.raises(ConfigError, match=r"^`model` has no trainable parameters$"):
        build_optimizers(partial(torch.optim.SGD, lr=0.1), nn.Flatten(), False)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_steps_on_a_machine_without_a_gpu_do_not_look_for_one(run, monkeypatch, optimizer):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    searches = []
    monkeypatch.setattr(torch.cuda, "_device_count_nvml", lambda: searches.append(1) or -1)
    counts = []
    for steps in (1, 9):
        monkeypatch.setenv("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # as importing lightning leaves it
        searches.clear()
        result = run("model=softmax_regression", f"optimizer={optimizer}", f"trainer.max_steps={steps}", "test=false")
        assert result.steps == steps
        counts.append(len(searches))

    assert counts[0] == counts[1]


def test_gradients_of_sparse_embeddings_are_for_no_fused_kernel():
    net = nn.Sequential(nn.Embedding(4, 3, sparse=True), nn.Flatten(), nn.Linear(6, 1))
    (optimizer,) = build_optimizers(partial(torch.optim.SGD, lr=0.1), net, False)

    net(torch.tensor([[1, 2]])).sum().backward()
    optimizer.step()

    assert optimizer.param_groups[0]["fused"] is None


@pytest.mark.parametrize("options", [{}, {"nesterov": True, "weight_decay": 0.1}, {"dampening": 0.5}])
def test_a_parameter_may_have_its_first_gradient_late(options):
    def trained(**implementation):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
        factory = partial(torch.optim.SGD, lr=0.1, momentum=0.9, **options, **implementation)
        (optimizer,) = build_optimizers(factory, net, True)
        for step in range(4):
            net[0].requires_grad_(step > 1)
            optimizer.zero_grad()
            net(torch.ones(2, 3)).sum().backward()
            optimizer.step()
        return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])

    torch.testing.assert_close(trained(), trained(foreach=False))


class Around(torch.optim.Optimizer):
    """Made as pytorch-optimizer's Lookahead, without torch's own `__init__`."""

    def __init__(self, optimizer):
        self.optimizer, self.param_groups = optimizer, optimizer.param_groups

    def load_state_dict(self, state):
        self.optimizer.load_state_dict(state)

    def step(self, closure=None):
        self.optimizer.step(closure)


def test_an_optimizer_around_another_loads_in_its_own_way(net):
    (optimizer,) = build_optimizers(partial(lambda params: Around(torch.optim.SGD(params))), net, False)

    assert isinstance(optimizer, Around)


class ByClosure(torch.optim.SGD):
    def step(self, closure):
        return closure()


class Stepless(torch.optim.Optimizer):
    def __init__(self, params):
        super().__init__(params, {"lr": 0.1})


class Rateless(torch.optim.Optimizer):
    def __init__(self, params):
        super().__init__(params, {"rate": 0.1})

    def step(self, closure=None): ...


@pytest.mark.parametrize(
    ("gives", "text"),
    [
        (Stepless, r"^`optimizer`: Stepless has no method `step`$"),
        (Rateless, r"^`optimizer`: Rateless must have its learning rate as `lr` in its param_groups$"),
        (
            lambda params: iter(()),
            r"^`optimizer` must be a torch\.optim\.Optimizer, or a list of some, .* gives a tuple_iter",
        ),
        (lambda params: None, r", or a list of some, but <lambda> gives none$"),
        (lambda params: [], r", or a list of some, but <lambda> gives a list$"),
        (lambda params: [torch.optim.SGD(params), 1], r", or a list of some, but <lambda> gives a list$"),
        (ByClosure, r"^`optimizer`: ByClosure\.step must be given a closure, which LBFGS alone is$"),
    ],
)
def test_what_a_run_cannot_step_is_refused(net, gives, text):
    with pytest.raises(ConfigError, match=text):
        build_optimizers(partial(gives), net, False)
