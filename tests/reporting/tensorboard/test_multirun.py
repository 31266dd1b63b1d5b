"""The board of a multirun: means over seeds against numpy, what it leaves out, and Hydra's way to it."""

import csv
import json
import shutil

import numpy as np
import pytest
from omegaconf import OmegaConf
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

from lightsweep.paths import RunPaths, SweepPaths
from lightsweep.reporting.tensorboard.layout import seeds_layout
from lightsweep.reporting.tensorboard.multirun import MultirunBoard, folder_names, write_board

BASE = ("model=softmax_regression", "logger=tensorboard", "trainer.max_epochs=2", "test=false")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("multirun")


@pytest.fixture
def multirun(folder, run):
    """Two settings on three seeds, and a third setting on one."""
    if not list(folder.iterdir()):
        for number, (lr, seed) in enumerate([(lr, seed) for lr in (0.01, 0.1) for seed in (0, 1, 2)] + [(0.5, 0)]):
            run(*BASE, f"optimizer.lr={lr}", f"seed={seed}", folder=folder / str(number))
    return folder


@pytest.fixture
def copied(multirun, tmp_path):
    """A copy of it, to be changed."""
    return shutil.copytree(multirun, tmp_path / "copy")


def boards(folder):
    return sorted(path.name for path in SweepPaths(folder).tensorboard.iterdir())


def test_margins_are_means_with_students_interval(multirun, curves):
    write_board(multirun)

    assert boards(multirun) == ["lr=0.01, 3 seeds", "lr=0.1, 3 seeds"]
    found = curves(SweepPaths(multirun).tensorboard / "lr=0.1, 3 seeds")
    tables = []
    for number in ("3", "4", "5"):
        with RunPaths(multirun / number).metrics.open() as file:
            tables.append(list(csv.DictReader(file)))
    for name in ("train/loss", "train/loss_epoch", "train/acc_epoch", "val/loss", "val/acc"):
        rows = [[row for row in table if row[name]] for table in tables]
        steps = [int(row["step"]) for row in rows[0]]
        values = np.array([[float(row[name]) for row in table] for table in rows])
        half = 4.302653 * values.std(0, ddof=1) / np.sqrt(3)  # the 97.5 % quantile of t with 2 degrees of freedom
        for kind, wanted in (
            ("mean", values.mean(0)),
            ("lower", values.mean(0) - half),
            ("upper", values.mean(0) + half),
        ):
            assert [step for step, _ in found[f"{kind}/{name}"]] == steps
            assert [value for _, value in found[f"{kind}/{name}"]] == pytest.approx(wanted.tolist(), rel=1e-4), name
    assert {name.partition("/")[0] for name in found} == {"mean", "lower", "upper"}


def test_the_layout_has_a_margin_chart_for_each_metric(multirun, read):
    write_board(multirun)

    events = read(SweepPaths(multirun).tensorboard / "lr=0.1, 3 seeds")
    layout = Layout.FromString(events.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0])
    charts = {chart.title: chart.margin.series[0] for category in layout.category for chart in category.chart}
    assert set(charts) == {"train/loss", "train/acc", "train/loss_epoch", "train/acc_epoch", "val/loss", "val/acc"}
    series = charts["val/acc"]
    assert (series.value, series.lower, series.upper) == ("mean/val/acc", "lower/val/acc", "upper/val/acc")
    assert {series.value, series.lower, series.upper} <= set(events.Tags()["scalars"])


def test_metrics_of_ones_own_have_margin_charts_too():
    layout = Layout.FromString(seeds_layout(["val/loss", "val/f1", "val/acc"]).tensor.string_val[0])
    charts = {each.title.rpartition(": ")[2]: [chart.title for chart in each.chart] for each in layout.category}
    assert charts == {"loss": ["val/loss"], "accuracy": ["val/acc"], "other metrics": ["val/f1"]}


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        (
            lambda text: text.replace('"completed"', '"diverged"').replace('"reason": null', '"reason": "nan"'),
            "diverged: nan",
        ),
        (lambda text: text[:40], "damaged: "),
    ],
    ids=["failed", "half written"],
)
def test_a_seed_that_does_not_count_is_left_out_and_named(copied, read, spoilt, why):
    path = RunPaths(copied / "4").result
    path.write_text(spoilt(path.read_text()))

    write_board(copied)

    assert boards(copied) == ["lr=0.01, 3 seeds", "lr=0.1, 2 seeds"]
    (text,) = read(SweepPaths(copied).tensorboard / "lr=0.1, 2 seeds").Tensors("seeds")
    about = text.tensor_proto.string_val[0].decode()
    assert about.startswith(f"Means over 2 seeds: 0, 2\n- left out: seed 1, {why}")


def test_metrics_that_are_cut_in_a_line_count_as_far_as_they_are_whole(copied, curves):
    write_board(copied)
    whole = curves(SweepPaths(copied).tensorboard / "lr=0.1, 3 seeds")["mean/val/loss"]
    path = RunPaths(copied / "4").metrics
    lines = path.read_text().splitlines(keepends=True)
    place = max(number for number, row in enumerate(csv.DictReader(lines), 1) if row["val/loss"])
    column = lines[0].strip().split(",").index("val/loss")
    cut = ",".join(lines[place].split(",")[: column + 1])[:-4]  # within the number
    path.write_text("".join([*lines[:place], cut]))

    write_board(copied)

    found = curves(SweepPaths(copied).tensorboard / "lr=0.1, 3 seeds")
    assert found["mean/val/loss"] == whole[:-1]
    assert all(step <= whole[-1][0] for points in found.values() for step, _ in points)


def test_a_run_that_was_killed_is_registered_as_such(copied, hparams_tab):
    paths = RunPaths(copied / "0")
    result = json.loads(paths.result.read_text())
    paths.result.write_text(json.dumps({**result, "status": "running", "seconds": 0.0}))
    paths.session.unlink()

    write_board(copied)

    (group,) = (group for group in hparams_tab(copied).groups if group.settings["status"] == "killed")
    assert (group.sessions, group.statuses) == (["0/tensorboard/hparams"], ["FAILURE"])
    assert 0 < group.metrics["seconds"] <= result["seconds"], "that of its last row"


def test_a_run_that_still_goes_on_is_left_alone(copied):
    from filelock import FileLock

    paths = RunPaths(copied / "0")
    paths.result.write_text(json.dumps({**json.loads(paths.result.read_text()), "status": "running"}))
    paths.session.unlink()

    with FileLock(paths.lock):
        write_board(copied)

    assert not paths.session.exists()


def test_damaged_folders_are_passed_over_and_half_written_events_do_no_harm(copied, hparams_tab):
    RunPaths(copied / "0").config.write_text("a: [")
    RunPaths(copied / "1").result.write_text("{")
    for path in RunPaths(copied / "2").tensorboard.glob("*tfevents.[0-9]*"):
        path.write_bytes(path.read_bytes()[:-7])
    (copied / "empty").mkdir()

    write_board(copied)

    assert boards(copied) == ["lr=0.1, 3 seeds"]
    assert len(hparams_tab(copied).groups) == 3


def test_without_tensorboard_no_board_is_written(run, tmp_path):
    for seed in (0, 1):
        run(*BASE[:1], "logger=none", "trainer.max_epochs=1", f"seed={seed}", folder=tmp_path / str(seed))

    write_board(tmp_path)

    assert not list(tmp_path.rglob("*tfevents*"))
    assert not SweepPaths(tmp_path).tensorboard.exists()


def test_trials_and_re_runs_are_not_averaged_together(copied):
    SweepPaths(copied).trials.touch()
    SweepPaths(copied).reruns.mkdir()
    for number, seed in ((4, 1), (5, 2)):
        (copied / str(number)).rename(SweepPaths(copied).rerun(3, seed))

    write_board(copied)

    assert boards(copied) == ["lr=0.1, 2 seeds", "trials lr=0.01, 3 seeds"]


def test_seeds_in_folders_of_their_own_are_one_setting(copied):
    for number in ("3", "4", "5"):
        (copied / f"seed{number}").mkdir()
        (copied / number).rename(copied / f"seed{number}" / number)

    write_board(copied)

    assert boards(copied) == ["lr=0.01, 3 seeds", "lr=0.1, 3 seeds"]


def test_a_folder_without_a_run_gets_no_board(tmp_path):
    write_board(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_board_that_finds_a_full_disk_is_a_line(tmp_path, monkeypatch, capsys):
    def full(folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lightsweep.reporting.tensorboard.multirun.write_board", full)
    MultirunBoard().on_multirun_end(OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}}))

    assert capsys.readouterr().err == f"warning: {tmp_path}/tensorboard is not written: No space left on device\n"


def test_names_are_fit_for_folders_and_unique():
    assert folder_names(["sgd lr=0.1", "path=a/b", "path=a_b", "path=../c", "x" * 200]) == [
        "sgd lr=0.1",
        "path=a_b",
        "path=a_b (2)",
        "path=.._c",
        "x" * 120,
    ]


@pytest.mark.slow
def test_a_multirun_of_the_command_line_ends_with_its_board(mnist_root, tmp_path, curves):
    import subprocess
    import sys
    from pathlib import Path

    root = Path(__file__).resolve().parents[3]
    data = [f"data.root={mnist_root}", "data.val_size=50", "data.batch_size=50", "trainer.accelerator=cpu"]
    command = [sys.executable, "train.py", "-m", *BASE, *data, "seed=0,1", f"hydra.sweep.dir={tmp_path}"]

    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=500)

    assert done.returncode == 0, done.stderr
    assert boards(tmp_path) == ["softmax_regression momentum, 2 seeds"]
    assert curves(SweepPaths(tmp_path).tensorboard / "softmax_regression momentum, 2 seeds")["mean/val/acc"]
