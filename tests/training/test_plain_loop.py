"""A run gives what a plain loop written by hand gives: same batches, same mathematics, whatever the setting.

Everything here is in float64, so that agreement means the same formula and not merely a similar path.
"""

import csv

import pytest
import torch
import torch.nn.functional as F
from torch._inductor import config as inductor_config
from torch.optim import LBFGS, SGD, Adagrad, Adam, AdamW, Muon
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, StepLR

from lightsweep.errors import ConfigError
from lightsweep.paths import RunPaths

BASE = (
    "model=mlp",
    "optimizer.lr=0.1",
    "data.batch_size=60",  # 550 examples: nine batches and a short one of ten
    "data.mean=0.0",
    "data.std=1.0",
    "trainer.max_epochs=2",
    "trainer.precision=64-true",
    "test=false",
)
CLOSE = {"rtol": 1e-9, "atol": 1e-12}


class Plain:
    """The loop, for a model and data as a run starts from them."""

    def __init__(self, datamodule, model):
        self.datamodule, self.net = datamodule, model.net
        split = datamodule.splits["train"]
        self.inputs, self.targets = split.inputs.double() / 255, split.targets
        self.losses, self.rates = [], []

    def train(self, optimizer, epochs=2, accumulate=1, clip=None, by_step=None, by_epoch=None, after_step=None):
        self.optimizer = optimizer
        for epoch in range(epochs):
            batches = self.datamodule.order.epoch(epoch)
            for start in range(0, len(batches), accumulate):
                chosen = torch.cat(batches[start : start + accumulate])
                self.rates.append(optimizer.param_groups[0]["lr"])
                self.step(optimizer, chosen, clip)
                if by_step is not None:
                    by_step.step()
                if after_step is not None:
                    after_step()
            if by_epoch is not None:
                by_epoch.step()

    def step(self, optimizer, chosen, clip):
        calls = []

        def closure():
            optimizer.zero_grad()
            loss = F.cross_entropy(self.net(self.inputs[chosen]), self.targets[chosen])
            loss.backward()
            calls.append(float(loss.detach()))
            if clip is not None:
                norm = torch.sqrt(sum((p.grad**2).sum() for p in self.net.parameters()))
                for parameter in self.net.parameters():
                    parameter.grad *= min(1.0, clip / (float(norm) + 1e-6))
            return loss

        optimizer.step(closure)
        self.losses.append((calls[0], len(chosen)))


@pytest.fixture
def compare(run, initial, tmp_path):
    """Runs with overrides, trains by hand, and holds the weights together; gives both."""

    def compared(*overrides, by_hand, atol=1e-12, **options):
        convnet = "model=convnet" in overrides
        overrides = (*BASE, *overrides) if convnet else (*BASE, "model.widths=[12,9]", *overrides)
        result = run(*overrides, folder=tmp_path)
        plain = Plain(*initial(*overrides, *(["model.channels_last=false"] if convnet else [])))
        plain.train(by_hand(plain.net), **{k: v(plain) if callable(v) else v for k, v in options.items()})
        state = torch.load(RunPaths(tmp_path).last, weights_only=True)["state_dict"]
        for name, parameter in plain.net.state_dict().items():
            torch.testing.assert_close(state[f"net.{name}"], parameter, rtol=1e-9, atol=atol)
        return result, plain, state

    return compared


def momentum(net):
    return SGD(net.parameters(), lr=0.1, momentum=0.9)


def last_epochs_loss(plain, steps):
    losses = plain.losses[-steps:]
    return sum(loss * size for loss, size in losses) / sum(size for _, size in losses)


def test_momentum(compare):
    result, plain, _ = compare("optimizer=momentum", by_hand=momentum)

    assert result.steps == 20
    assert result.metrics["train/loss"] == pytest.approx(last_epochs_loss(plain, 10), rel=1e-10)


def test_weight_decay_spares_biases(compare):
    def by_hand(net):
        weights = [p for p in net.parameters() if p.dim() > 1]
        biases = [p for p in net.parameters() if p.dim() == 1]
        return SGD([{"params": weights, "weight_decay": 0.1}, {"params": biases}], lr=0.1)

    compare("optimizer=sgd", "optimizer.weight_decay=0.1", by_hand=by_hand)


def test_weight_decay_on_biases_where_that_is_asked_for(compare):
    compare(
        "optimizer=sgd",
        "optimizer.weight_decay=0.1",
        "trainer.decay_bias_and_norm=true",
        by_hand=lambda net: SGD(net.parameters(), lr=0.1, weight_decay=0.1),
    )


def test_adam(compare):
    compare("optimizer=adam", "optimizer.lr=0.01", by_hand=lambda net: Adam(net.parameters(), lr=0.01))


def test_muon_takes_the_hidden_matrix_and_adamw_the_rest(compare):
    class Both:
        def __init__(self, net):
            hidden = net[3].weight
            rest = [p for p in net.parameters() if p is not hidden]
            self.parts = [AdamW(rest, lr=1e-3, weight_decay=0.0), Muon([hidden], lr=0.1, weight_decay=0.0)]
            self.param_groups = self.parts[1].param_groups

        def zero_grad(self):
            for part in self.parts:
                part.zero_grad()

        def step(self, closure):
            closure()
            for part in self.parts:
                part.step()

    compare("optimizer=muon", by_hand=Both)


@pytest.mark.parametrize(
    ("overrides", "by_hand"),
    [
        (("optimizer=momentum", "optimizer.lr=0.1"), lambda net: SGD(net.parameters(), lr=0.1, momentum=0.9)),
        (("optimizer=adagrad", "optimizer.lr=0.1"), lambda net: Adagrad(net.parameters(), lr=0.1)),
        (
            ("optimizer=lbfgs", "optimizer.lr=0.1"),
            lambda net: LBFGS(net.parameters(), lr=0.1, max_iter=4, history_size=10),
        ),
    ],
    ids=["momentum", "adagrad", "lbfgs"],
)
def test_the_convnets_memory_format_and_fused_updates_change_nothing(compare, overrides, by_hand):
    compare("model=convnet", "model.filters=[3,4]", *overrides, by_hand=by_hand)


@pytest.mark.parametrize("compile", [pytest.param("true", marks=pytest.mark.slow), "reduce-overhead"])
def test_compilation_changes_nothing(compare, compile, needs_program):
    needs_program("g++")
    words = ("optimizer=sgd", "model.widths=[12]", f"model.compile={compile}")  # each layer is seconds of a compiler's
    compare(*words, by_hand=lambda net: SGD(net.parameters(), lr=0.1))


@pytest.mark.filterwarnings("ignore:dynamo_pgo force disabled")  # told in a process that has compiled nothing before
def test_a_network_that_cannot_be_compiled_here_is_told(run):
    with (
        inductor_config.patch({"cpp.cxx": (None, "/no/compiler"), "force_disable_caches": True}),
        pytest.raises(
            ConfigError, match=r"^`model\.compile`: torch cannot compile the network here: .*/no/compiler.*$"
        ),
    ):
        run("model=mlp", "model.compile=true")


@pytest.mark.parametrize("accumulate", [2, 3, 10, 50])
def test_accumulation_averages_over_the_examples_of_its_batches(compare, accumulate):
    result, plain, _ = compare(
        "optimizer=momentum",
        f"trainer.accumulate_grad_batches={accumulate}",
        by_hand=momentum,
        accumulate=accumulate,
    )

    assert result.steps == 2 * -(-10 // accumulate)
    assert result.metrics["train/loss"] == pytest.approx(last_epochs_loss(plain, result.steps // 2), rel=1e-10)


@pytest.mark.parametrize("clip", [0.05, 100.0])
def test_clipping_bounds_the_norm_of_the_whole_gradient(compare, clip):
    compare("optimizer=momentum", f"trainer.grad_clip={clip}", by_hand=momentum, clip=clip)


def test_clipping_acts_on_the_accumulated_gradient(compare):
    compare(
        "optimizer=momentum",
        "trainer.grad_clip=0.05",
        "trainer.accumulate_grad_batches=4",
        by_hand=momentum,
        clip=0.05,
        accumulate=4,
    )


@pytest.mark.parametrize("inner", ["1", "4", "null"])
def test_lbfgs_evaluates_its_closure_on_the_batch_of_the_step(compare, inner):
    def by_hand(net):
        return LBFGS(net.parameters(), lr=0.1, max_iter=4, history_size=10)

    compare("optimizer=lbfgs", f"trainer.inner_steps={inner}", by_hand=by_hand)


@pytest.mark.parametrize(("search", "atol"), [(None, 1e-12), ("strong_wolfe", 1e-9)])  # which goes by the loss as well
def test_lbfgs_with_accumulation(compare, search, atol):
    def by_hand(net):
        return LBFGS(net.parameters(), lr=0.1, max_iter=4, history_size=10, line_search_fn=search)

    words = ("optimizer=lbfgs", f"optimizer.line_search_fn={search or 'null'}", "trainer.accumulate_grad_batches=3")
    compare(*words, by_hand=by_hand, accumulate=3, atol=atol)


def test_gd_is_one_step_on_all_examples(compare):
    result, plain, _ = compare("optimizer=gd", by_hand=lambda net: SGD(net.parameters(), lr=0.1), accumulate=10)

    assert result.steps == len(plain.losses) == 2


def test_ema_follows_the_weights_after_each_step(compare):
    averages = []

    def following(plain):
        def follow():
            now = [p.detach().clone() for p in plain.net.parameters()]
            averages.append(
                now if not averages else [0.9 * a + 0.1 * p for a, p in zip(averages[-1], now, strict=True)]
            )

        return follow

    result, plain, state = compare(
        "optimizer=momentum", "trainer.ema_decay=0.9", by_hand=momentum, after_step=following
    )

    for (name, parameter), average in zip(plain.net.named_parameters(), averages[-1], strict=True):
        torch.testing.assert_close(state[f"ema.module.{name}"], average, **CLOSE)
        parameter.data.copy_(average)
    validation = plain.datamodule.splits["val"]
    loss = F.cross_entropy(plain.net(validation.inputs.double() / 255), validation.targets)
    assert result.metrics["val/loss"] == pytest.approx(float(loss.detach()), rel=1e-9), "the averages are evaluated"


def rows(folder):
    with RunPaths(folder).metrics.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("inner", ["1", "3", "null"])
@pytest.mark.parametrize(
    ("overrides", "make"),
    [
        (("scheduler=cosine",), lambda o: CosineAnnealingLR(o, 20)),
        (("scheduler=onecycle",), lambda o: OneCycleLR(o, 0.1, 20, cycle_momentum=False)),
        (("scheduler=step", "scheduler.interval=step", "scheduler.step_size=3"), lambda o: StepLR(o, 3, 0.1)),
    ],
    ids=["cosine", "onecycle", "step"],
)
def test_schedulers_by_step_advance_after_each_step(run, initial, tmp_path, overrides, make, inner):
    overrides = (*BASE, "optimizer=momentum", *overrides, f"trainer.inner_steps={inner}", "trainer.log_every_n_steps=1")
    run(*overrides, folder=tmp_path)

    plain = Plain(*initial(*overrides))
    optimizer = momentum(plain.net)
    plain.train(optimizer, by_step=make(optimizer))
    state = torch.load(RunPaths(tmp_path).last, weights_only=True)["state_dict"]
    for name, parameter in plain.net.state_dict().items():
        torch.testing.assert_close(state[f"net.{name}"], parameter, **CLOSE)


def test_schedulers_by_epoch_advance_after_each_epoch(compare):
    _, plain, _ = compare(
        "optimizer=momentum",
        "scheduler=step",
        "scheduler.step_size=1",
        by_hand=momentum,
        by_epoch=lambda plain: _Later(plain),
    )

    assert plain.rates == pytest.approx([0.1] * 10 + [0.01] * 10)


class _Later:
    """Lowers the rate of the optimizer that trains a plain loop's network to a tenth."""

    def __init__(self, plain):
        self.plain = plain

    def step(self):
        for group in self.plain.optimizer.param_groups:
            group["lr"] *= 0.1
