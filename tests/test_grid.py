"""A stopped multirun goes on by its command with `resume=<folder>`: what is complete stays, the rest is trained."""

import os
import pkgutil
import shlex
import signal
from pathlib import Path

import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from lightsweep import Sweep, cli, sweep
from lightsweep.cli.grid import RESUMES, storage_failure
from lightsweep.errors import Interrupted, RunFolderError
from lightsweep.launching.hydra_launch import launch
from lightsweep.launching.run_job import AGAIN
from lightsweep.paths import RunPaths, SweepPaths

SEEDS = (0, 1, 2)
GRID = ("-m", "model=softmax_regression", "trainer.max_epochs=3", "trainer.limit_train_batches=3",
        "trainer.accelerator=cpu", "logger=none", "seed=0,1,2")  # fmt: skip


def weights(folder):
    return torch.load(RunPaths(folder).last, weights_only=True)["state_dict"]


@pytest.fixture
def interrupted_in(monkeypatch):
    """Sends a signal at a validation, counted over all runs of this process."""
    from lightsweep.models import SoftmaxRegression

    step, seen = SoftmaxRegression.validation_step, []

    def interrupt(at, number=signal.SIGINT):
        def validation_step(self, *args):
            seen.append(1)
            if len(seen) == at:
                os.kill(os.getpid(), number)
            return step(self, *args)

        monkeypatch.setattr(SoftmaxRegression, "validation_step", validation_step)

    return interrupt


def test_a_stopped_grid_goes_on_with_what_is_left_and_ends_as_if_never_stopped(command, data, interrupted_in):
    assert command(cli.train, *GRID, *data, "hydra.sweep.dir=whole").code == 0
    interrupted_in(5)  # the second run's second epoch

    stopped = command(cli.train, *GRID, *data, "hydra.sweep.dir='a grid=1'")

    assert stopped.code == 130
    line, told = stopped.err.rstrip("\n").split("; to go on: ")
    assert line == "error: interrupted by signal 2"
    python, program, *words = shlex.split(told)
    assert (python, program, words) == ("python", "train.py", [*GRID, *data, f"resume={Path('a grid=1').absolute()}"])
    grid = Path("a grid=1")
    assert sorted(path.name for path in grid.iterdir() if path.is_dir()) == ["0", "1"]
    first = RunPaths(grid / "0").last.read_bytes(), RunPaths(grid / "0").metrics.read_bytes()

    gone_on = command(cli.train, *words)

    assert gone_on.code == 0
    assert gone_on.line.startswith(
        f"note: {(grid / '0').absolute()} is complete already: 3 epochs, 9 steps; to train longer: "
    )
    assert (RunPaths(grid / "0").last.read_bytes(), RunPaths(grid / "0").metrics.read_bytes()) == first
    assert gone_on.out.count("epoch 1/3") == 1, "only the third run begins anew"
    for seed in SEEDS:
        expected = weights(Path("whole") / str(seed))
        assert all(torch.equal(value, expected[name]) for name, value in weights(grid / str(seed)).items())
    assert RESUMES not in os.environ


def test_the_command_of_a_grid_that_goes_on_is_the_same_at_the_next_interruption(command, data, interrupted_in):
    interrupted_in(2)
    stopped = command(cli.train, *GRID, *data, "hydra.sweep.dir=grid")
    interrupted_in(4)

    again = command(cli.train, *shlex.split(stopped.err.partition("to go on: ")[2])[2:])

    assert again.err == stopped.err


@pytest.mark.parametrize(
    ("writer", "number", "told"),
    [("config.hydra_patches.save", 4, "grid"), ("training.checkpoints.PlainCheckpointIO.save_checkpoint", 4, "grid/1")],
)
def test_a_full_disk_ends_a_grid_in_one_line_that_says_how_it_goes_on(command, data, monkeypatch, writer, number, told):
    written = []

    def full(*_, **__):
        written.append(1)
        if len(written) >= number:  # of three files or checkpoints a run
            raise OSError(28, "No space left on device")
        return write(*_, **__)

    with monkeypatch.context() as patched:
        write = pkgutil.resolve_name(f"lightsweep.{writer}")
        patched.setattr(f"lightsweep.{writer}", full)
        ended = command(cli.train, *GRID, *data, "hydra.sweep.dir=grid")

    line, _, words = ended.err.splitlines()[-1].partition(" to go on: ")  # before it Hydra names the run
    assert (ended.code, line) == (
        4,
        f"error: {Path(told).absolute()} can no longer be written: No space left on device; once that is mended,",
    )
    gone_on = command(cli.train, *shlex.split(words)[2:])
    assert (gone_on.code, len(Sweep.read("grid").trials)) == (0, 3)


@pytest.mark.parametrize(("sweeper", "is_told"), [("BasicSweeper", True), ("OptunaSweeper", False)])
def test_a_sweep_says_by_itself_how_it_goes_on(monkeypatch, tmp_path, sweeper, is_told):
    target = {"_target_": f"plugins.{sweeper}"}
    node = OmegaConf.create({"mode": RunMode.MULTIRUN, "sweeper": target, "sweep": {"dir": str(tmp_path)}})
    monkeypatch.setattr(HydraConfig, "initialized", lambda: True)
    monkeypatch.setattr(HydraConfig, "get", lambda: node)

    failure = storage_failure(OSError(28, "No space left on device"), ["-m"])

    assert (failure is not None) == is_told


def test_a_grid_that_is_moved_ends_in_one_line_and_begins_no_other_at_its_old_place(command, data, monkeypatch):
    from lightsweep.models import SoftmaxRegression

    step = SoftmaxRegression.validation_step

    def validation_step(self, *args):
        if Path("grid").exists():
            Path("grid").rename("moved")
        return step(self, *args)

    monkeypatch.setattr(SoftmaxRegression, "validation_step", validation_step)

    ended = command(cli.train, *GRID, *data, "hydra.sweep.dir=grid")

    assert ended.code == 4
    line, told = ended.err.splitlines()[-1].split("; if it was moved, to go on: ")
    assert line.endswith("grid/0 can no longer be written: No such file or directory")
    assert shlex.split(told) == ["python", "train.py", *GRID, *data, "resume=<where it is now>"]
    assert not Path("grid").exists()
    assert sorted(path.name for path in Path("moved").iterdir() if path.is_dir()) == ["0"]


def test_a_grid_that_goes_on_by_other_settings_leaves_the_runs_as_they_are(command, data):
    command(cli.train, *GRID, *data, "hydra.sweep.dir=grid", "seed=0,1")
    before = RunPaths(Path("grid/0")).last.read_bytes()

    ended = command(cli.train, *GRID, *data, "optimizer.lr=0.5,0.7", "seed=0", "resume=grid")

    assert ended.code == 2
    assert "`optimizer.lr` cannot change from 0.01 to 0.5 where a run goes on" in ended.err
    assert RunPaths(Path("grid/0")).last.read_bytes() == before


def test_from_python_a_signal_ends_the_whole_grid_and_the_same_call_goes_on(command, data, interrupted_in):
    interrupted_in(1)

    with pytest.raises(Interrupted, match=r"^interrupted by signal 2; to go on: the same call with 'resume=/.*/grid'$"):
        sweep([*GRID[1:], *data, "hydra.sweep.dir=grid"])

    assert [trial.status for trial in Sweep.read("grid").trials] == ["interrupted"]
    found = sweep([*GRID[1:], *data, "resume=grid"])
    assert [(trial.number, trial.status) for trial in found.trials] == [
        (0, "completed"),
        (1, "completed"),
        (2, "completed"),
    ]
    with pytest.raises(RunFolderError, match=r"^nothing is no multirun's folder: it has no multirun\.yaml$"):
        sweep([*GRID[1:], *data, "resume=nothing"])


def test_a_folder_that_is_no_multiruns_is_refused(command):
    Path("grid").mkdir()

    assert command(cli.train, *GRID, "resume=grid").line == (
        "error: grid is no multirun's folder: it has no multirun.yaml"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "hydra:\n  overrides:\n    task: [seed=0]\n    hydra: [hydra.mode=MULTIRUN, hydra.sweep.dir=x]\n",
            "-m seed=0",
        ),
        ("hydra: [", "-m …"),
        ("hydra: 3", "-m …"),
    ],
)
def test_without_m_a_multiruns_folder_is_answered_with_its_command(command, text, words):
    Path("grid").mkdir()
    SweepPaths(Path("grid")).multirun.write_text(text)

    line = command(cli.train, "resume=grid").line

    told = "error: grid is a multirun's folder, which goes on by its command: python train.py"
    assert shlex.split(line.removeprefix(told)) == [*words.split(), f"resume={Path('grid').absolute()}"]


@pytest.mark.parametrize("end", [KeyboardInterrupt(), SystemExit(143), Interrupted(15)])
def test_a_launcher_tells_how_a_grid_goes_on_whose_jobs_it_had_to_stop(tmp_path, caplog, end):
    def task(_cfg):
        """Never called."""

    def stop(*_):
        raise end

    setattr(task, AGAIN, lambda folder: f"command of {folder}")
    config = OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}, "hydra_logging": None, "verbose": False,
                                         "job": {"env_copy": []}}})  # fmt: skip

    with pytest.raises(type(end)):
        launch(None, task, config, [["seed=0"], ["seed=1"]], 0, stop, False)

    assert caplog.messages == [f"2 of 2 jobs did not run to the end; to go on: command of {tmp_path}"]


def test_torchrun_whose_processes_meet_once_is_refused_for_several_runs(command, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "2")

    refused = command(cli.train, "-m", "seed=0,1")

    told = "error: torchrun starts one run, and -m is several: leave torchrun out and give trainer.devices\n"
    assert (refused.code, refused.out, refused.err) == (2, "", told)
