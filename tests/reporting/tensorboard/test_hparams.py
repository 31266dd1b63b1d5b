"""The HParams tab, as TensorBoard's own backend reads it."""

import csv
import json

import pytest
from omegaconf import OmegaConf

from lightsweep.errors import Diverged
from lightsweep.paths import RunPaths
from lightsweep.reporting.tensorboard.hparams import group_name, seconds_to, settings_of

BASE = ("model=softmax_regression", "logger=tensorboard", "trainer.max_epochs=2", "logger.tensorboard.target_acc=0.5")


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture
def runs(logdir, run):
    """Two settings on two seeds, and one that diverged."""
    if not list(logdir.iterdir()):
        for lr in (0.01, 0.1):
            for seed in (0, 1):
                run(*BASE, f"optimizer.lr={lr}", f"seed={seed}", folder=logdir / f"{lr}-{seed}")
        with pytest.raises(Diverged, match="became"):
            run(*BASE, "optimizer.lr=1e38", folder=logdir / "bad")
    return logdir


def results(logdir, *names):
    return [json.loads(RunPaths(logdir / name).result.read_text()) for name in names]


def test_seeds_of_one_setting_are_one_group_and_only_they(runs, hparams_tab):
    tab = hparams_tab(runs)

    sessions = sorted(sorted(group.sessions) for group in tab.groups)
    place = "tensorboard/hparams"
    assert sessions == [
        [f"0.01-0/{place}", f"0.01-1/{place}"],
        [f"0.1-0/{place}", f"0.1-1/{place}"],
        [f"bad/{place}"],
    ]
    assert "seed" not in tab.settings
    assert tab.differing == {"optimizer.lr", "status"}


def test_the_metrics_are_the_results_and_no_others(runs, hparams_tab):
    tab = hparams_tab(runs)

    assert tab.metrics == ["seconds", "seconds_to_target", "test/acc", "val/acc", "val/loss"]
    (group,) = (group for group in tab.groups if group.settings["optimizer.lr"] == 0.1)
    both = results(runs, "0.1-0", "0.1-1")
    for name in ("test/acc", "val/acc", "val/loss", "seconds"):
        assert group.metrics[name] == pytest.approx(sum(result[name] for result in both) / 2, rel=1e-6), name
    assert group.settings["optimizer.momentum"] == 0.9
    assert group.settings["model"] == "SoftmaxRegression"


def test_a_run_that_diverged_is_marked(runs, hparams_tab):
    (group,) = (group for group in hparams_tab(runs).groups if group.settings["status"] != "completed")

    assert (group.statuses, group.settings["status"]) == (["FAILURE"], "diverged")
    assert group.settings["optimizer.lr"] == 1e38
    assert "val/acc" not in group.metrics


def test_seconds_to_target_are_those_of_the_first_row_that_reaches_it(runs):
    path = RunPaths(runs / "0.1-0").metrics
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if row["val/acc"]]
    second = float(rows[1]["val/acc"])

    assert seconds_to(float(rows[0]["val/acc"]), path) == float(rows[0]["seconds"])
    assert seconds_to(second, path) == float(rows[0 if float(rows[0]["val/acc"]) >= second else 1]["seconds"])
    assert seconds_to(1.0, path) is None
    assert seconds_to(0.5, path.with_name("none.csv")) is None


def test_settings_are_flat_named_by_class_and_without_null():
    cfg = OmegaConf.create(
        {
            "seed": 3,
            "model": {"_target_": "package.Net", "widths": [8, 4], "dropout": 0.0},
            "data": {"_target_": "package.Data", "batch_size": 100},
            "optimizer": {"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.1, "nesterov": True},
            "scheduler": {"_target_": None},
            "trainer": {"grad_clip": None},
        }
    )

    assert settings_of(cfg) == {
        "model": "Net",
        "model.widths": "[8, 4]",
        "model.dropout": 0.0,
        "data": "Data",
        "data.batch_size": 100.0,
        "optimizer": "SGD",
        "optimizer.lr": 0.1,
        "optimizer.nesterov": True,
        "scheduler": "none",
    }


def test_a_groups_name_is_readable_and_differs_where_any_setting_does():
    settings = {"model": "Net", "optimizer": "SGD", "optimizer.lr": 0.1, "data.batch_size": 100.0}

    name = group_name(settings, settings)

    assert name.startswith("Net SGD lr=0.1 #")
    assert group_name(settings, dict(reversed(settings.items()))) == name
    assert group_name(settings, {**settings, "monitor": "val/loss"}) != name


def test_settings_are_told_apart_as_in_a_report(run, hparams_tab, tmp_path):
    for name, changed in (("a", "seed=1"), ("b", "trainer.log_every_n_steps=3"), ("c", "monitor=val/loss")):
        run(*BASE[:2], changed, folder=tmp_path / "out" / name)

    (tmp_path / "out" / "sweep").mkdir()
    (tmp_path / "out" / "sweep" / "study.journal").touch()
    for name in ("0", "rerun/0-1"):
        run(*BASE[:2], folder=tmp_path / "out" / "sweep" / name)

    groups = sorted(sorted(group.sessions) for group in hparams_tab(tmp_path / "out").groups)

    place = "tensorboard/hparams"
    assert groups == [[f"a/{place}", f"b/{place}"], [f"c/{place}"], [f"sweep/0/{place}"], [f"sweep/rerun/0-1/{place}"]]
