"""Each scheduler of conf/ gives the rates of torch's own, stepped by hand when it should step."""

import csv
from functools import partial

import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

from lightsweep.errors import ConfigError
from lightsweep.paths import RunPaths
from lightsweep.training.build import build, run_length
from lightsweep.training.clock import Clock
from lightsweep.training.schedulers import build_schedule
from lightsweep.training.schedulers import warmup_cosine as built_warmup_cosine
from lightsweep.training.signals import StopRequest

EPOCHS, BATCHES = 4, 11
BASE = ("model=softmax_regression", "optimizer=sgd", "optimizer.lr=0.1", "trainer.log_every_n_steps=1", "test=false")


def rows(folder):
    with RunPaths(folder).metrics.open() as file:
        return list(csv.DictReader(file))


def by_hand(make, steps):
    """The rate of each of `steps` steps, after which a scheduler advances."""
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler, rates = make(optimizer), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def warmup_cosine(optimizer, steps):
    rise = round(steps * 0.1)
    parts = [LinearLR(optimizer, 1 / rise, total_iters=rise - 1), CosineAnnealingLR(optimizer, steps - rise)]
    return SequentialLR(optimizer, parts, milestones=[rise])


@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step")  # torch's SequentialLR does that itself
@pytest.mark.parametrize("inner", ["1", "null"])
@pytest.mark.parametrize(
    ("overrides", "make"),
    [
        (("scheduler=constant",), lambda o: StepLR(o, 1, gamma=1.0)),
        (("scheduler=cosine",), lambda o: CosineAnnealingLR(o, EPOCHS * BATCHES)),
        (
            ("scheduler=onecycle",),
            lambda o: OneCycleLR(o, 0.1, EPOCHS * BATCHES, cycle_momentum=False, div_factor=25, final_div_factor=1e4),
        ),
        (("scheduler=warmup_cosine",), lambda o: warmup_cosine(o, EPOCHS * BATCHES)),
        (("scheduler=step", "scheduler.interval=step"), lambda o: StepLR(o, 3, 0.1)),
    ],
    ids=["constant", "cosine", "onecycle", "warmup_cosine", "step"],
)
def test_by_step(run, tmp_path, overrides, make, inner):
    run(*BASE, *overrides, f"trainer.max_epochs={EPOCHS}", f"trainer.inner_steps={inner}", folder=tmp_path)

    logged = [float(row["lr"]) for row in rows(tmp_path) if row["lr"]]
    expected = by_hand(make, EPOCHS * BATCHES)
    assert len(logged) == len(expected)
    assert logged == pytest.approx(expected, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(
    ("overrides", "make"),
    [
        (("scheduler=step", "scheduler.step_size=2"), lambda o: StepLR(o, 2, 0.1)),
        (("scheduler=multistep", "scheduler.milestones=[1,3]"), lambda o: MultiStepLR(o, [1, 3], 0.1)),
        (("scheduler=cosine", "scheduler.interval=epoch"), lambda o: CosineAnnealingLR(o, EPOCHS)),
    ],
    ids=["step", "multistep", "cosine"],
)
def test_by_epoch(run, tmp_path, overrides, make):
    run(*BASE, *overrides, f"trainer.max_epochs={EPOCHS}", folder=tmp_path)

    logged = [float(row["lr"]) for row in rows(tmp_path) if row["lr"]]
    expected = by_hand(make, EPOCHS)
    assert logged == pytest.approx([rate for rate in expected for _ in range(BATCHES)], rel=1e-9)


def test_the_last_row_has_the_momentum_and_the_rate_of_the_last_step_not_of_one_after_it(run, tmp_path):
    cycle = ("scheduler=onecycle", "scheduler.cycle_momentum=true", "+scheduler.anneal_strategy=linear")
    run(*BASE, *cycle, "optimizer=momentum", "optimizer.lr=0.1", folder=tmp_path)

    last = [row for row in rows(tmp_path) if row["lr"]][-1]
    assert (float(last["lr"]), float(last["momentum"])) == pytest.approx((0.1 / 25 / 1e4, 0.95))


@pytest.mark.parametrize("every", [1, 2])
def test_plateau_steps_after_each_validation_by_the_monitored_metric(run, tmp_path, every):
    run(
        *BASE,
        "optimizer.lr=3.0",  # large enough that the loss does not simply fall
        "scheduler=plateau",
        "scheduler.patience=0",
        "+scheduler.threshold=0.2",
        "scheduler.factor=0.5",
        "monitor=val/loss",
        "trainer.max_epochs=8",
        f"trainer.check_val_every_n_epoch={every}",
        folder=tmp_path,
    )

    found = rows(tmp_path)
    losses = [float(row["val/loss"]) for row in found if row["val/loss"]]
    logged = [float(row["lr"]) for row in found if row["lr"]][:: BATCHES * every]
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=3.0)
    scheduler, expected = ReduceLROnPlateau(optimizer, "min", factor=0.5, patience=0, threshold=0.2), []
    for loss in losses:
        expected.append(optimizer.param_groups[0]["lr"])
        scheduler.step(loss)
    assert len(losses) == 8 // every
    assert logged == pytest.approx(expected)
    assert len(set(expected)) > 1, "the case must make the rate fall"


@pytest.mark.parametrize(("overrides", "mode"), [((), "max"), (("monitor=val/loss",), "min"), (("mode=min",), "min")])
def test_a_plateau_waits_for_the_direction_in_which_the_monitored_metric_is_good(compose, tmp_path, overrides, mode):
    cfg = compose("model=softmax_regression", "scheduler=plateau", *overrides)
    (schedule,) = build(cfg, RunPaths(tmp_path), Clock(), StopRequest()).stepper.schedules

    assert schedule.scheduler.mode == mode


@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step")
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"T_max": 8, "warmup": 0.5}, [0.25, 0.5, 0.75, 1.0]),
        ({"T_max": 8, "warmup": 0.5, "start": 0.1}, [0.1, 0.4, 0.7, 1.0]),
        ({"T_max": 3, "warmup": 0.1}, [1.0, 0.75, 0.25, 0.0]),
        ({"T_max": 2, "warmup": 0.0}, [1.0, 0.5, 0.0]),
        ({"T_max": 4, "warmup": 0.25}, [1.0, 1.0, 0.75, 0.25]),
    ],
)
def test_a_rise_of_n_steps_begins_at_the_nth_part_and_ends_at_the_peak(settings, expected):
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler, rates = built_warmup_cosine(optimizer, **settings), []
    for _ in expected:
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()

    assert rates == pytest.approx(expected)


@pytest.mark.parametrize("warmup", ["1.0", "1.5", "-1"])
def test_a_rise_of_more_than_the_run_or_less_than_nothing_is_refused(run, warmup):
    with pytest.raises(ConfigError, match=rf"^`scheduler\.warmup` must be in \[0, 1\) but got {warmup}$"):
        run(*BASE, "scheduler=warmup_cosine", f"scheduler.warmup={warmup}")


@pytest.mark.parametrize(
    ("overrides", "peaks"),
    [
        (("optimizer=muon",), [0.001, 0.02]),
        (("optimizer=muon", "scheduler.max_lr=0.3"), [0.3, 0.3]),
        (("optimizer=muon", "trainer.lr_batch_size=25"), [0.002, 0.04]),
        (("optimizer=adamw", "optimizer.lr=0.2"), [0.2]),
    ],
)
def test_each_optimizer_peaks_at_its_own_rate(compose, tmp_path, overrides, peaks):
    model = ("model=mlp", "model.widths=[8,8]", "scheduler=onecycle", "trainer.max_epochs=2")
    stepper = build(compose(*model, *overrides), RunPaths(tmp_path), Clock(), StopRequest()).stepper
    rates = []
    for _ in range(2 * BATCHES - 1):
        for optimizer in stepper.optimizers:
            optimizer.step()
        for schedule in stepper.schedules:
            schedule.advance()
        rates.append([optimizer.param_groups[-1]["lr"] for optimizer in stepper.optimizers])

    assert [max(each) for each in zip(*rates, strict=True)] == pytest.approx(peaks, rel=0.02)


def test_max_steps_shortens_an_automatic_length(run, tmp_path):
    run(*BASE, "scheduler=cosine", "trainer.max_epochs=4", "trainer.max_steps=15", folder=tmp_path)

    logged = [float(row["lr"]) for row in rows(tmp_path) if row["lr"]]
    assert logged == pytest.approx(by_hand(lambda o: CosineAnnealingLR(o, 15), 15), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(
    ("max_epochs", "max_steps", "interval", "expected"),
    [
        (10, -1, "step", 110),
        (10, -1, "epoch", 10),
        (10, 50, "step", 50),
        (10, 50, "epoch", 5),
        (-1, 50, "step", 50),
        (1, 500, "step", 11),
        (-1, -1, "step", None),
    ],
)
def test_a_runs_length_is_its_nearest_limit(max_epochs, max_steps, interval, expected):
    assert run_length(max_epochs, max_steps, 11, interval) == expected


def test_auto_without_a_length_is_refused(run):
    with pytest.raises(ConfigError, match=r"^`scheduler\.T_max` is auto, but the run has no fixed length"):
        run(*BASE, "scheduler=cosine", "trainer.max_epochs=-1", "trainer.max_time=00:00:01:00")


def test_settings_that_torch_refuses_are_the_users_mistake(run):
    with pytest.raises(ConfigError, match=r"^`scheduler` refuses its settings: "):
        run(*BASE, "scheduler=onecycle", "+scheduler.anneal_strategy=none")


def test_what_a_run_cannot_advance_is_refused():
    optimizer = SGD(nn.Linear(2, 2).parameters(), lr=0.1)

    with pytest.raises(
        ConfigError, match=r"^`scheduler` must be a torch.*LRScheduler, or have .* but <lambda> gives a dict$"
    ):
        build_schedule(partial(lambda optimizer: {}), "step", optimizer, 10, "min")
