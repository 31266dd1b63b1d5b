"""The disk fills, the folder goes away or cannot be written: one line, and the last good checkpoint stays."""

import os
import re
import shutil
import subprocess

import pytest
import torch
from PIL import Image

from lightsweep.cli import report
from lightsweep.cli.exporting import export
from lightsweep.cli.predicting import predict
from lightsweep.config.saved import read_result
from lightsweep.errors import RunFolderError, StorageFailed
from lightsweep.paths import RunPaths
from lightsweep.training import train
from lightsweep.training.checkpoints import load
from lightsweep.training.stepper import Stepper
from tests.faults.conftest import DEADLINE_S, ENDLESS, until
from tests.test_exporting import needs_onnx
from tests.training.stopped_runs import assert_same_end

CASE = (
    "model=mlp",
    "model.widths=[16]",  # a checkpoint of 165 kB
    "optimizer=adam",
    "trainer.max_epochs=4",
    "trainer.precision=32-true",
    "trainer.checkpoint_every_n_steps=4",
    "trainer.log_every_n_steps=4",
)


@pytest.fixture
def small_disk(tmp_path):
    """Gives a folder on a file system of so many kilobytes, and a way to mount it again with other options."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options):
        return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)

    made = mount("size=600k")
    if made.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {made.stderr.strip()}")
    yield folder, lambda options: mount(f"remount,{options}").check_returncode()
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("logger", ["none", "tensorboard"])
def test_a_full_disk_is_one_line_and_the_last_checkpoint_stays(compose, run, tmp_path, small_disk, logger):
    disk, remount = small_disk
    case = (*CASE, f"logger={logger}")
    run(*case, folder=tmp_path / "whole")

    with pytest.raises(StorageFailed, match="can no longer be written: No space left on device") as failed:
        run(*case, folder=disk / "run")

    assert "\n" not in str(failed.value)
    assert str(failed.value).endswith(
        f"; what it holds is whole: once that is mended, python train.py resume={disk}/run"
    )
    assert failed.value.exit_code == 4
    assert load(RunPaths(disk / "run").last)["global_step"] > 0
    remount("size=8m")
    train(compose(*case), disk / "run", resume=True)
    assert_same_end(tmp_path / "whole", disk / "run")


def test_a_disk_that_is_full_when_the_run_begins_is_one_line(run, small_disk):
    disk, _ = small_disk
    with pytest.raises(OSError, match="No space left"):
        (disk / "ballast").write_bytes(b"x" * 2**20)

    with pytest.raises((StorageFailed, RunFolderError), match="No space left on device"):
        run(*CASE, folder=disk / "run")


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (report, ["{run}", "out={disk}"]),
        (predict, ["run={run}", "out={disk}", "a.png"]),
        pytest.param(export, ["run={run}", "out={disk}/net.onnx"], marks=needs_onnx),
        (export, ["run={run}", "out={disk}/net.pt2"]),
    ],
)
def test_a_full_disk_is_one_line_of_a_command_that_reads_runs(
    run, command, digits, small_disk, tmp_path, function, words
):
    disk, _ = small_disk
    run("model=softmax_regression", folder=tmp_path / "run")
    Image.fromarray(digits[0][0]).save(tmp_path / "a.png")
    (disk / "figures").mkdir()
    with pytest.raises(OSError, match="No space left"):
        (disk / "fill").write_bytes(bytes(2**20))

    ended = command(function, *(word.format(run=tmp_path / "run", disk=disk) for word in words))

    assert (ended.code, ended.line) == (4, f"error: {disk} cannot be written: No space left on device")
    assert {path.name for path in disk.iterdir()} == {"figures", "fill"}


def test_a_read_only_folder_is_one_line_before_anything_is_read(run, small_disk):
    disk, remount = small_disk
    (disk / "run").mkdir()
    remount("ro")

    with pytest.raises(RunFolderError, match=r"run cannot be written: Read-only file system"):
        run(*CASE, folder=disk / "run")
    with pytest.raises(RunFolderError, match=r"other cannot be made: Read-only file system"):
        run(*CASE, folder=disk / "other")


@pytest.fixture
def at_step(monkeypatch):
    """Does something once some optimizer steps are made."""

    def doing(steps, deed):
        original = Stepper._step

        def step(self, *arguments):
            original(self, *arguments)
            if self.steps + 1 == steps:
                deed()

        monkeypatch.setattr(Stepper, "_step", step)

    return doing


@pytest.mark.parametrize("logger", ["none", "tensorboard"])
def test_a_folder_that_is_deleted_during_the_run_is_one_line_and_stays_deleted(run, tmp_path, at_step, logger):
    at_step(13, lambda: shutil.rmtree(tmp_path / "run"))

    with pytest.raises(StorageFailed, match=rf"{re.escape(str(tmp_path))}/run can no longer be written: No such file"):
        run(*CASE, f"logger={logger}", folder=tmp_path / "run")

    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_moved_at_the_end_of_the_run_goes_on_there(compose, run, tmp_path, monkeypatch):
    def examine(parts, paths, result, test):
        paths.folder.rename(tmp_path / "moved")

    with monkeypatch.context() as patched:
        patched.setattr("lightsweep.training.run._examine", examine)
        with pytest.raises(StorageFailed, match=r"No such file.*; if it was moved, it goes on there: resume="):
            run(*CASE, folder=tmp_path / "run")

    assert not (tmp_path / "run").exists()
    assert read_result(RunPaths(tmp_path / "moved"))["status"] == "running"
    assert train(compose(*CASE), tmp_path / "moved", resume=True).status == "completed"


def test_a_write_that_fails_in_the_middle_of_a_checkpoint_leaves_the_one_before(run, tmp_path, monkeypatch):
    original, written = torch.save, []

    def save(checkpoint, file):
        written.append(checkpoint["global_step"])
        if len(written) == 3:
            file.write(b"half of it")
            raise OSError(5, os.strerror(5))
        original(checkpoint, file)

    monkeypatch.setattr("lightsweep.training.checkpoints.torch.save", save)

    with pytest.raises(StorageFailed, match="Input/output error"):
        run(*CASE, folder=tmp_path / "run")

    names = {path.name for path in RunPaths(tmp_path / "run").checkpoints.iterdir()}
    assert names == {"last.ckpt", "previous.ckpt"}
    assert load(RunPaths(tmp_path / "run").last)["global_step"] == written[1]


@pytest.mark.parametrize("name", ["result.json", "config.yaml", "metrics.csv"])
@pytest.mark.parametrize("spoil", ["empty", "half", "zeros"])
def test_a_half_written_file_is_named_or_written_anew(
    compose, run, tmp_path, at_step, monkeypatch, capsys, name, spoil
):
    """We never leave such a file; a disk that failed may."""
    from lightsweep.config.saved import read_config
    from lightsweep.errors import LightsweepError

    run(*CASE, folder=tmp_path / "whole")
    at_step(15, lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError, match="by zero"):
        run(*CASE, folder=tmp_path / "run")
    monkeypatch.undo()
    path = tmp_path / "run" / name
    content = path.read_bytes()
    path.write_bytes({"empty": b"", "half": content[: len(content) // 2], "zeros": bytes(len(content))}[spoil])

    if name == "config.yaml":
        with pytest.raises(LightsweepError) as refused:
            train(read_config(RunPaths(tmp_path / "run")), tmp_path / "run", resume=True)
        assert "\n" not in str(refused.value)
    elif name == "metrics.csv":
        result = train(compose(*CASE), tmp_path / "run", resume=True)
        assert result.status == "completed"
        assert re.search(r"warning: .*metrics\.csv is damaged: \d of the \d rows that", capsys.readouterr().err)
    else:
        train(compose(*CASE), tmp_path / "run", resume=True)
        assert_same_end(tmp_path / "whole", tmp_path / "run")


@pytest.mark.slow
def test_a_second_process_on_a_runs_folder_is_refused_and_the_first_goes_on(start, tmp_path):
    first, _ = start()
    last = RunPaths(tmp_path / "run").last
    until(lambda: last.is_file() or first.poll() is not None)

    for command in (ENDLESS, (f"resume={tmp_path / 'run'}",)):
        second, _ = start(base=command)
        _, err = second.communicate(timeout=DEADLINE_S)
        assert second.returncode == 2
        assert err == f"error: {tmp_path / 'run'} is being written by another process; wait for it, or end it\n"

    age = last.parent.stat().st_mtime_ns  # each checkpoint is renamed into the folder
    until(lambda: last.parent.stat().st_mtime_ns > age)
    assert first.poll() is None
