"""The schema: each value out of its range is named with what it must be and what it was."""

import math

import pytest
from omegaconf import OmegaConf, open_dict

from lightsweep import compose as compose_configuration
from lightsweep.config.check import check, interval
from lightsweep.config.nearest import nearest
from lightsweep.config.schema import GROUPS, Config, Logger, Optimizer, Trainer
from lightsweep.errors import ConfigError

LIMIT = r"a whole number in \[1, inf\) or a number in \(0, 1\]"


@pytest.fixture
def cfg(compose):
    """The default configuration without what needs a run's folder."""
    return compose("logger=none", small=False)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("optimizer.lr", 0.0, r"`optimizer\.lr` must be .*\(0, inf\) but got 0\.0"),
        ("optimizer.lr", -0.1, r"`optimizer\.lr` must be .*\(0, inf\) but got -0\.1"),
        ("optimizer.lr", math.inf, r"`optimizer\.lr` must be .*finite.* but got inf"),
        ("optimizer.lr", math.nan, r"`optimizer\.lr` must be .*finite.* but got nan"),
        ("optimizer.lr", "fast", r"`optimizer\.lr` must be a number.* but got 'fast'"),
        ("optimizer.lr", True, r"`optimizer\.lr` must be a number.* but got True"),
        ("optimizer.momentum", 1.0, r"`optimizer\.momentum` must be in \[0, 1\) but got 1\.0"),
        ("optimizer.momentum", -0.1, r"`optimizer\.momentum` must be in \[0, 1\) but got -0\.1"),
        ("optimizer.weight_decay", -1.0, r"`optimizer\.weight_decay` must be in \[0, inf\) but got -1\.0"),
        ("data.batch_size", 0, r"`data\.batch_size` must be in \[1, inf\) but got 0"),
        ("data.batch_size", 12.5, r"`data\.batch_size` must be a whole number.* but got 12\.5"),
        ("data.val_size", -1, r"`data\.val_size` must be in \[0, inf\) or own but got -1"),
        ("data.std", 0.0, r"`data\.std` must be .*\(0, inf\) but got 0\.0"),
        ("data.loader", "gpu", r"`data\.loader` must be one of device, workers, auto but got 'gpu'"),
        ("model.filters", [32, 0], r"`model\.filters\.1` must be in \[1, inf\) but got 0"),
        ("model.filters", [[32, -1], 64], r"`model\.filters\.0\.1` must be in \[1, inf\) but got -1"),
        ("model.filters", [[], 64], r"`model\.filters\.0` must be .* but got \[\]"),
        ("data.rotate", 181.0, r"`data\.rotate` must be .*180.* but got 181\.0"),
        ("data.zoom", 1.0, r"`data\.zoom` must be in \[0, 1\) but got 1\.0"),
        ("model.dropout", 1.0, r"`model\.dropout` must be in \[0, 1\) but got 1\.0"),
        ("model._target_", 3, r"`model\._target_` must be a text but got 3"),
        ("data._target_", None, r"`data\._target_` must be a text but got None"),
        ("optimizer._target_", "", r"`optimizer\._target_` must be a text that is not empty but got ''"),
        ("model.filters", 0, r"`model\.filters` must be a list of values in \[1, inf\) but got 0"),
        ("trainer.max_epochs", -2, r"`trainer\.max_epochs` must be in \[-1, inf\) but got -2"),
        ("trainer.strategy", "dp", r"`trainer\.strategy` must be one of auto, ddp, fsdp but got 'dp'"),
        ("trainer.max_epochs", "ten", r"`trainer\.max_epochs` must be a whole number.* but got 'ten'"),
        ("trainer.max_epochs", 0, r"`trainer\.max_epochs` must be at least 1, or -1 for no limit, but got 0"),
        ("trainer.max_steps", 0, r"`trainer\.max_steps` must be at least 1, or -1 for no limit, but got 0"),
        ("trainer.max_time", "1h", r"`trainer\.max_time` must be a text like 00:01:30:00 \(.* DD:HH:MM:SS.* got '1h'"),
        ("trainer.max_time", 3, r"`trainer\.max_time` must be a text like 00:01:30:00 \(.* DD:HH:MM:SS.* but got 3"),
        ("trainer.grad_clip", 0.0, r"`trainer\.grad_clip` must be .*\(0, inf\) but got 0\.0"),
        ("trainer.ema_decay", 1.0, r"`trainer\.ema_decay` must be in \[0, 1\) but got 1\.0"),
        ("trainer.devices", 10**30, r"`trainer\.devices` must be in \[1, 4096\] but got 10{30}"),
        ("trainer.threads", 10**8, r"`trainer\.threads` must be in \[1, 4096\] but got 100000000"),
        ("data.num_workers", 10**8, r"`data\.num_workers` must be in \[0, 1024\] but got 100000000"),
        ("trainer.precision", "16", r"`trainer\.precision` must be one of auto, 32-true, .* but got '16'"),
        ("trainer.print_loss", 1, r"`trainer\.print_loss` must be true or false but got 1"),
        ("trainer.limit_train_batches", -5, rf"`trainer\.limit_train_batches` must be {LIMIT} but got -5"),
        ("trainer.limit_train_batches", 0.0, rf"`trainer\.limit_train_batches` must be {LIMIT} but got 0\.0"),
        ("trainer.limit_train_batches", 1.5, rf"`trainer\.limit_train_batches` must be {LIMIT} but got 1\.5"),
        ("trainer.limit_val_batches", 0, rf"`trainer\.limit_val_batches` must be {LIMIT} but got 0"),
        ("trainer.limit_test_batches", "all", rf"`trainer\.limit_test_batches` must be {LIMIT} but got 'all'"),
        ("scheduler.interval", "week", r"`scheduler\.interval` must be one of step, epoch but got 'week'"),
        ("early_stopping.patience", 0, r"`early_stopping\.patience` must be in \[1, inf\) but got 0"),
        ("seed", -1, r"`seed` must be in \[0, 4294967296\) but got -1"),
        ("seed", None, r"`seed` must be a whole number.* but got None"),
        ("monitor", "accuracy", r"`monitor` must be a text like val/loss \(.* but got 'accuracy'"),
        ("mode", "up", r"`mode` must be one of auto, min, max but got 'up'"),
        ("trust", "pkg", r"`trust` must be a list but got 'pkg'"),
        ("data.ignore", "id", r"`data\.ignore` must be a list but got 'id'"),
        ("callbacks.foo", 3, r"`callbacks\.foo` must be a group of keys but got 3"),
        ("callbacks.foo.every", 3, r"`callbacks\.foo\._target_` is missing"),
        ("callbacks._target_", "my.Watch", r"`callbacks` holds `_target_` without a name above it: .*`mine: {_targ.*"),
        ("metrics._target_", "my.Metric", r"`metrics` holds `_target_` without a name above it: .*"),
        ("metrics.foo", 3, r"`metrics\.foo` must be a group of keys but got 3"),
    ],
)
def test_a_value_out_of_range_is_named(cfg, key, value, text):
    OmegaConf.update(cfg, key, value, force_add=True)

    with pytest.raises(ConfigError, match=f"^{text}$"):
        check(cfg)


@pytest.mark.parametrize(
    "digits", [[3], [3, 3], [3, 10], [-1, 3], [1, 2, 3]], ids=lambda digits: "_".join(map(str, digits))
)
def test_digits_are_two_distinct_ones(compose, digits):
    cfg = compose("logger=none", "data=mnist_binary", small=False)
    cfg.data.digits = digits

    with pytest.raises(ConfigError, match=r"^`data\.digits` must be two distinct digits from 0 to 9 but got"):
        check(cfg)


@pytest.mark.parametrize(
    ("key", "hint"), [("trainer.max_epoch", "max_epochs"), ("early_stopping.patiens", "patience"), ("sed", "seed")]
)
def test_an_unknown_key_gets_the_nearest_one(cfg, key, hint):
    with open_dict(cfg):
        OmegaConf.update(cfg, key, 1, force_add=True)

    with pytest.raises(ConfigError, match=rf"^`{key}` is no known key; did you mean '{hint}'\?$"):
        check(cfg)


def test_a_missing_value_names_its_key(compose):
    cfg = compose("logger=none", "data=csv", small=False)

    with pytest.raises(ConfigError, match=r"^`data\.path` is missing: .* give data\.path=<value>$"):
        check(cfg)


def test_data_of_ours_without_a_batch_size_are_refused(compose):
    with pytest.raises(ConfigError, match=r"`data\.batch_size` is missing"):
        check(compose("~data.batch_size"))


def test_an_interpolation_that_leads_nowhere_is_one_line(cfg):
    cfg.optimizer.lr = "${optimizer.rate}"

    with pytest.raises(ConfigError, match=r"^the configuration does not resolve: .*rate"):
        check(cfg)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [("norms", 1, "must be true or false but got 1"), ("target_acc", 97.0, r"must be .*\(0, 1\].* but got 97\.0")],
)
def test_a_loggers_keys_are_checked(compose, key, value, text):
    cfg = compose("logger=tensorboard")
    cfg.logger.tensorboard[key] = value

    with pytest.raises(ConfigError, match=rf"`logger\.tensorboard\.{key}` {text}"):
        check(cfg)


def test_a_run_without_time_is_refused(cfg):
    cfg.trainer.max_time = "00:00:00:00"

    with pytest.raises(ConfigError, match=r"^`trainer\.max_time` must be above 00:00:00:00, or null for no limit, but"):
        check(cfg)


def test_a_fold_and_validation_examples_that_are_set_apart_are_not_both_taken(cfg):
    cfg.data.fold, cfg.data.val_size = 1, "own"

    with pytest.raises(ConfigError, match=r"^`data\.fold=1` draws validation examples, but `data\.val_size=own`"):
        check(cfg)


@pytest.mark.parametrize("monitor", ["auto", "val/loss"])
def test_a_run_that_would_never_validate_what_it_monitors_is_refused(cfg, monitor):
    cfg.monitor, cfg.trainer.check_val_every_n_epoch, cfg.trainer.max_epochs = monitor, 5, 3

    message = (
        r"`trainer\.check_val_every_n_epoch` must be at most `trainer\.max_epochs=3`, or monitor=train/loss, .* 5$"
    )
    with pytest.raises(ConfigError, match=message):
        check(cfg)


@pytest.mark.parametrize(
    "changes",
    [
        {"trainer.max_epochs": 5},
        {"trainer.max_epochs": -1, "trainer.max_steps": 10},
        {"monitor": "train/loss"},
        {"data.val_size": 0},
    ],
)
def test_a_rare_validation_is_taken_where_it_comes_or_nothing_waits_for_it(cfg, changes):
    for key, value in {"trainer.check_val_every_n_epoch": 5, "trainer.max_epochs": 3, **changes}.items():
        OmegaConf.update(cfg, key, value)

    check(cfg)


def test_a_run_without_an_end_is_refused(cfg):
    cfg.trainer.max_epochs = -1

    with pytest.raises(ConfigError, match=r"^`trainer\.max_epochs`, `max_steps` and `max_time` are all unlimited"):
        check(cfg)


def test_validation_metrics_need_a_validation_split(cfg):
    cfg.data.val_size, cfg.monitor = 0, "val/acc"

    with pytest.raises(ConfigError, match=r"^`monitor=val/acc` needs a validation split"):
        check(cfg)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 0),
        ("data.val_size", 0),
        ("optimizer.momentum", 0.0),
        ("optimizer.weight_decay", 0),
        ("optimizer.lr", 1),
        ("trainer.limit_train_batches", 1),
        ("trainer.limit_train_batches", 0.01),
        ("trainer.max_steps", 5),
        ("trainer.ema_decay", 0.0),
        ("trainer.max_time", "00:00:01:00"),
        ("trainer.devices", [0, 1]),
        ("logger", None),
    ],
)
def test_edge_values_pass(cfg, key, value):
    OmegaConf.update(cfg, key, value)

    check(cfg)


def test_nearest_is_silent_when_nothing_is_near():
    assert nearest("zzz", ["lr", "momentum"]) == ""
    assert nearest("momentun", ["lr", "momentum"]) == "; did you mean 'momentum'?"
    assert nearest("Cifar10", ["SVHN", "CIFAR10"]) == "; did you mean 'CIFAR10'?"


def test_an_interval_shows_which_ends_belong_to_it():
    assert interval(Optimizer.model_fields["lr"]) == "(0, inf)"
    assert interval(Optimizer.model_fields["momentum"]) == "[0, 1)"
    assert interval(Trainer.model_fields["grad_clip"]) == "(0, inf)"
    assert interval(Trainer.model_fields["print_loss"]) == ""


@pytest.mark.parametrize("group", [*GROUPS.values(), Logger, Config])
def test_every_key_of_the_schema_has_a_meaning(group):
    for name, field in group.model_fields.items():
        assert field.description or name in GROUPS, f"{group.__name__}.{name} has no description"


def test_a_schedule_of_ones_own_must_say_when_it_advances():
    node = "+scheduler={_target_: torch.optim.lr_scheduler.LinearLR, _partial_: true}"

    with pytest.raises(ConfigError, match=r"^`scheduler\.interval` is missing: when it advances, by step or epoch$"):
        compose_configuration(["~scheduler", node])


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (["monitor=val/f1"], r"`monitor` names val/f1, .*: add metrics=f1"),
        (["monitor=val/f1", "metrics=[auroc,r2]"], r"`monitor` names val/f1, .*: add metrics=\[auroc,r2,f1\]"),
        (["objectives=[monitor,val/f1]"], r"`objectives` names val/f1, .*: add metrics=f1"),
        (["monitor=val/mine"], r"`monitor` names val/mine, .*: add metrics=mine"),
        (["monitor=val/acuracy"], r"`monitor` names val/acuracy, which no model logs; did you mean 'val/acc'\?"),
        (["monitor=val/none"], r"`monitor` names val/none, which no model logs"),
        (["monitor=val/error"], r"`monitor` names val/error, which no model logs"),
        (["objectives=[val/acuracy]"], r"`objectives` names val/acuracy, .*; did you mean 'val/acc'\?"),
    ],
)
def test_a_metric_that_is_not_logged_is_told_how_it_can_be(monkeypatch, tmp_path, overrides, text):
    (tmp_path / "conf" / "metrics").mkdir(parents=True)
    (tmp_path / "conf" / "metrics" / "mine.yaml").write_text("mine: {_target_: torchmetrics.classification.F1Score}")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError, match=f"^{text}$"):
        compose_configuration(overrides)
