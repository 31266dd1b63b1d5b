"""The commands as a user meets them: that they run, and how they end; what they say of mistakes is in test_mistakes."""

import json
import os
import re
import signal
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from lightsweep import cli
from lightsweep.cli.ending import ended_by
from lightsweep.errors import RemoteTraceback
from lightsweep.paths import RunPaths, SweepPaths

ROOT = Path(__file__).resolve().parents[1]
QUICK = ("model=softmax_regression", "trainer.max_epochs=1", "trainer.limit_train_batches=3", "trainer.accelerator=cpu")


def test_a_run_and_its_evaluation(command, data):
    trained = command(cli.train, *QUICK, *data, "hydra.run.dir=mine")
    assert (trained.code, trained.err) == (0, "")
    assert re.search(r"^files in .*mine$", trained.out, re.MULTILINE)

    tested = command(cli.evaluate, "run=mine")

    assert (tested.code, tested.err) == (0, "")
    result = json.loads(RunPaths(Path("mine")).result.read_text())
    assert f"test/acc {result['test/acc']:.4f}" in tested.out


def test_a_command_whose_folder_another_process_writes_leaves_that_ones_words(command, data):
    mine = RunPaths(Path("mine").absolute())
    mine.hydra.mkdir(parents=True)
    mine.overrides.write_text("- seed=1\n")

    with FileLock(mine.lock):
        refused = command(cli.train, *QUICK, *data, "hydra.run.dir=mine")

    told = f"error: {mine.folder} is being written by another process; wait for it, or end it\n"
    assert (refused.code, refused.err) == (2, told)
    assert mine.overrides.read_text() == "- seed=1\n"


@pytest.mark.parametrize("multirun", [(), ("-m",), ("-m", "hydra/launcher=local", "hydra.launcher.num_workers=1")])
def test_a_command_that_is_refused_leaves_the_words_of_the_run_in_its_folder(command, data, multirun):
    place = ("hydra.sweep.dir=mine", "hydra.sweep.subdir=.") if multirun else ("hydra.run.dir=mine",)
    mine = RunPaths(Path("mine").absolute())
    mine.hydra.mkdir(parents=True)
    mine.overrides.write_text("- seed=1\n")
    mine.result.write_text('{"status": "completed"}')

    refused = command(cli.train, *multirun, *QUICK, *data, *place, "weights=nowhere.ckpt")
    assert "nowhere.ckpt" in refused.err
    assert mine.overrides.read_text() == "- seed=1\n"

    assert command(cli.train, *multirun, *QUICK, *data, *place, "seed=2").code == 0
    assert "- seed=2\n" in mine.overrides.read_text()


def test_a_bug_keeps_its_traceback(command, data, monkeypatch):
    from lightsweep.models import SoftmaxRegression

    monkeypatch.setattr(SoftmaxRegression, "validation_step", lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError, match="division by zero"):
        command(cli.train, *QUICK, *data, "hydra.run.dir=mine")

    result = json.loads(RunPaths(Path("mine")).result.read_text())
    assert result["status"] == "failed"
    assert "ZeroDivisionError" in result["reason"]


def test_a_grid_of_which_a_run_fails_has_its_board_and_its_report(command, data):
    grid = ("-m", *QUICK, *data, "logger=tensorboard", "optimizer.lr=0.1,1e38", "seed=0,1", "hydra.sweep.dir=grid",
            "hydra.sweep.subdir=below/${hydra.job.num}")  # fmt: skip
    report = "+hydra.callbacks.report._target_=lightsweep.reporting.after_multirun.ReportAfterMultirun"

    ended = command(cli.train, *grid, report)

    assert (ended.code, ended.err.splitlines()[-1][:30]) == (3, "error: the training loss becam")
    assert [path.name for path in SweepPaths(Path("grid")).tensorboard.iterdir()] == ["lr=0.1, 2 seeds"]
    assert "4 runs read: 2 completed, 2 diverged." in ended.out

    refused = command(cli.train, *grid, report, "trainer.max_steps=-5")
    assert (refused.code, refused.out) == (2, ""), "the runs that were there already have had their report"


def test_the_first_run_of_a_multirun_is_not_charged_with_what_the_command_does_once(command, data, monkeypatch):
    monkeypatch.setattr("lightsweep.training.run.seconds_since_process_start", lambda: 1000.0)

    assert command(cli.train, "-m", *QUICK, *data, "seed=0,1", "hydra.sweep.dir=grid", "logger=none").code == 0
    assert command(cli.train, *QUICK, *data, "hydra.run.dir=alone", "logger=none").code == 0

    first, second, alone = (
        json.loads(RunPaths(Path(name)).result.read_text())["seconds"] for name in ("grid/0", "grid/1", "alone")
    )
    assert (first < 1000, second < 1000, alone > 1000) == (True, True, True)


def test_a_bug_in_a_run_of_another_process_is_told_by_that_ones_traceback(command):
    def read():
        raise KeyError("k") from RemoteTraceback("Traceback of the run")

    def program():
        ended_by(read)

    assert command(program).err == "Traceback of the run\nerror: a run failed: KeyError: 'k'\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_library_that_swallows_errors_does_not_swallow_a_signal(command, number):
    def compose():
        with suppress(Exception):
            os.kill(os.getpid(), number)
        print("went on")

    def program():
        ended_by(compose)

    ended = command(program)

    assert (ended.code, ended.out, ended.err) == (128 + number, "", f"error: interrupted by signal {int(number)}\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_before_it_begins_leaves_no_folder(command, data, number, monkeypatch):
    monkeypatch.setattr("lightsweep.cli.training.lean_imports", lambda: os.kill(os.getpid(), number))

    ended = command(cli.train, *QUICK, *data, "hydra.run.dir=mine")

    assert (ended.code, ended.err) == (128 + number, f"error: interrupted by signal {int(number)}\n")
    assert not Path("mine").exists()


@pytest.mark.parametrize("words", ["sweeps=lr_momentum", "sweeps=architecture", "sweeps=grid_small experiment=fast99"])
def test_the_winner_of_a_search_is_replayed(command, data, words):
    searched = command(cli.train, *QUICK[1:], *data, "optimizer=sgd", "-m", *words.split(), "hydra/launcher=basic",
                       "hydra.sweeper.n_trials=1", "hydra.sweep.dir=s")  # fmt: skip
    assert searched.code == 0, searched.err

    replayed = command(cli.train, "experiment=s/best.yaml", "hydra.run.dir=r")

    assert (replayed.code, replayed.err) == (0, "")
    found, wanted = (json.loads(RunPaths(Path(name)).result.read_text()) for name in ("r", "s/0"))
    assert found["val/acc"] == wanted["val/acc"]
    assert ("sweeps" in Path("s/best.yaml").read_text()) == ("architecture" in words)  # which sets the objectives


@pytest.mark.parametrize(
    ("script", "arguments", "code", "text"),
    [
        ("train.py", ["optimizer.lr=-1"], 2, r"error: `optimizer\.lr` must be .*\n"),
        ("train.py", ["model=linear_regression", "data=mnist", "data.val_size=50"], 2, r"error: `model=linear_reg.*\n"),
        ("evaluate.py", ["run=nowhere"], 2, r"error: `run` must be the folder of a run but nowhere has no .*\n"),
        ("train.py", ["model=linear_regression", "data=line", "optimizer.lr=1e9"], 3, r"error: the training loss .*\n"),
    ],
)
def test_the_scripts_end_as_the_commands_do(process, mnist_root, tmp_path, script, arguments, code, text):
    root = [f"data.root={mnist_root}"] if "data=mnist" in arguments else []

    ended = process([ROOT / script, *arguments, *root], tmp_path, CUDA_VISIBLE_DEVICES="")

    assert ended.returncode == code
    assert re.fullmatch(text, ended.stderr), ended.stderr


def test_the_words_that_a_run_was_given_later_are_among_those_that_repeat_it(command, data):
    words = ["model=softmax_regression", "trainer.max_epochs=1", "trainer.limit_train_batches=2", "logger=none", *data]
    assert command(cli.train, *words, "hydra.run.dir=mine").code == 0
    overrides = RunPaths(Path("mine")).overrides

    assert command(cli.train, "resume=mine", "trainer.max_epochs=0").code == 2
    assert yaml.safe_load(overrides.read_text()) == words
    assert command(cli.train, "resume=mine", "trainer.max_epochs=2").code == 0

    assert yaml.safe_load(overrides.read_text()) == [*words, "trainer.max_epochs=2"]
