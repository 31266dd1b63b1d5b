"""Run folders read back, whatever became of them."""

import json
import re
from pathlib import Path

import pytest
from filelock import FileLock

from lightsweep.errors import RunFolderError
from lightsweep.paths import RunPaths
from lightsweep.reporting.runs import find_runs, read_run


def test_run_is_read_with_its_numbers_and_settings(make_run):
    run = read_run(make_run("a", seed=3, acc=0.25, lr=0.5, curve=[0.1, 0.25]))
    assert (run.status, run.seed, run.kind, run.monitor) == ("completed", 3, "run", "val/acc")
    assert run.metrics["test/acc"] == 0.25
    assert run.settings["optimizer.lr"] == 0.5
    assert run.curve("val/acc", "step").tolist() == [[100, 0.1], [200, 0.25]]
    assert run.curve("val/acc", "seconds").tolist() == [[2.5, 0.1], [5.0, 0.25]]
    assert run.curve("val/mae", "step").shape == (0, 2)


def test_direction_of_a_metric_is_known_or_recorded(make_run):
    run = read_run(make_run("a", directions={"mae": "min", "r2": "max", "own": None}))
    falling = ("test/mae", "val/mae", "val/loss", "seconds", "steps", "epochs", "parameters")
    assert [run.rises(name) for name in falling] == [False] * len(falling)
    assert [run.rises(name) for name in ("test/r2", "val/acc")] == [True, True]
    assert [run.rises(name) for name in ("val/own", "val/other")] == [None, None]


@pytest.mark.parametrize("directions", ["min", ["mae"], {"mae": "down"}, {"mae": ["min"]}, None])
def test_directions_that_are_none_are_unknown(make_run, directions):
    folder = make_run("a")
    values = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**values, "directions": directions}))
    assert read_run(folder).rises("val/mae") is None


def test_every_run_below_the_folders_is_found_once_and_in_order(make_run, tmp_path):
    for name in ("10", "9", "1/x"):
        make_run(name)
    (tmp_path / "outputs" / "report").mkdir()
    outputs = tmp_path / "outputs"
    found = find_runs([outputs, outputs / "9"])
    assert [run.folder.relative_to(outputs).as_posix() for run in found] == ["1/x", "9", "10"]


def test_trials_and_reruns_are_told_from_runs(make_run, make_sweep):
    sweep = make_sweep("s", [0.5])
    make_run("s/rerun/0-1", seed=1)
    assert [run.kind for run in find_runs([sweep])] == ["trial", "rerun"]
    assert [run.kind for run in find_runs([sweep / "0"])] == ["trial"]


@pytest.mark.parametrize(
    ("status", "reason"),
    [("diverged", "the loss became nan at step 7"), ("failed", "ValueError: no"), ("interrupted", "by signal 15")],
)
def test_run_that_did_not_end_well_keeps_its_reason(make_run, status, reason):
    run = read_run(make_run("a", status=status, reason=reason))
    assert (run.status, run.reason, run.completed) == (status, reason, False)


def test_a_run_whose_folder_no_process_holds_was_killed(make_run):
    folder = make_run("a", status="running")
    lock = RunPaths(folder).lock
    assert (read_run(folder).status, read_run(folder).reason.endswith("its folder cannot tell")) == ("running", True)
    assert not lock.exists()
    with FileLock(lock):
        assert (read_run(folder).status, read_run(folder).reason) == ("running", "it runs still")
    assert read_run(folder).status == "killed"
    assert (
        read_run(folder).reason
        == "it ended without a word: it says that it runs, but no process of this machine holds its folder"
    )


@pytest.mark.parametrize("status", ["completed", "interrupted"])
def test_a_run_that_said_how_it_ended_was_not_killed(make_run, status):
    folder = make_run("a", status=status)
    RunPaths(folder).lock.touch()
    assert read_run(folder).status == status


def test_half_written_result_is_damaged_but_its_curve_is_read(make_run):
    folder = make_run("a", seed=4, curve=[0.1])
    result = folder / "result.json"
    result.write_text(result.read_text()[:40])
    run = read_run(folder)
    assert run.status == "damaged"
    assert "result.json is damaged" in run.reason
    assert run.seed == 4
    assert run.curve("val/acc", "step").tolist() == [[100, 0.1]]


def test_run_without_a_result_failed_and_its_traceback_says_why(make_run):
    folder = make_run("a")
    (folder / "result.json").unlink()
    assert (read_run(folder).status, read_run(folder).reason) == ("failed", "it left no result.json, or has only begun")
    with FileLock(folder / ".lock"):
        assert (read_run(folder).status, read_run(folder).reason) == ("running", "it runs still")
    (folder / "error.txt").write_text("Traceback (most recent call last):\n  …\nMemoryError: no room\n")
    assert read_run(folder).reason == "MemoryError: no room"


@pytest.mark.parametrize("content", ["a: [1", "a: 2026-99-99", f"a: {'9' * 5000}"])
def test_damaged_configuration_leaves_the_settings_unknown(make_run, content):
    folder = make_run("a")
    (folder / "config.yaml").write_text(content)
    run = read_run(folder)
    assert (run.status, run.settings) == ("completed", None)


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "null",
        "{",
        "",
        "{}",
        '{"status": null}',
        '{"status": ""}',
        '{"status": 5, "test/acc": "high", "seed": "x"}',
    ],
)
def test_result_of_any_kind_is_read_without_an_error(make_run, content):
    folder = make_run("a")
    (folder / "result.json").write_text(content)
    run = read_run(folder)
    assert run.status == "damaged"
    assert run.metrics == {}
    assert "result.json is damaged: " in run.reason


def test_unknown_or_empty_folder_is_named(tmp_path):
    with pytest.raises(RunFolderError, match=re.escape(f"{tmp_path / 'x'} is no folder")):
        find_runs([tmp_path / "x"])
    with pytest.raises(RunFolderError, match=re.escape(f"no run in {tmp_path}: ")):
        find_runs([tmp_path])


def test_real_run_reads_as_its_result_says(run):
    result = run("model=softmax_regression", "seed=2")
    (found,) = find_runs([Path(result.folder)])
    saved = json.loads((found.folder / "result.json").read_text())
    assert found.completed
    assert found.metrics["test/acc"] == saved["test/acc"] == result.metrics["test/acc"]
    assert found.curve("val/acc", "epoch")[-1].tolist() == [1.0, saved["val/acc"]]
    assert found.settings["optimizer.lr"] == 0.01
