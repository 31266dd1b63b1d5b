"""A trial whose process is killed goes on from its last checkpoint, and ends as one that nobody disturbed."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from lightsweep import compose, train
from lightsweep.cli import training
from lightsweep.paths import RunPaths, home
from lightsweep.sweeping import marks
from lightsweep.sweeping.trial import KilledTrial, running_trial
from tests.training.ddp_process import train_together

SETTINGS = ["model=softmax_regression", "optimizer=adam", "logger=none", "trainer.accelerator=cpu",
            "trainer.precision=64-true", "trainer.max_epochs=40", "test=false"]  # fmt: skip


def start(*arguments: str) -> "subprocess.Popen[str]":
    flags = [word for word in arguments if word.startswith("-")]
    words = [word for word in arguments if word not in flags]
    command = [sys.executable, str(home() / "train.py"), *flags, *SETTINGS, *words]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def rows(folder: Path) -> list[dict[str, str]]:
    with RunPaths(folder).metrics.open(newline="") as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_killed_trial_goes_on_from_its_checkpoint(ranks, mnist_root, tmp_path, study_of):
    data = [f"data.root={mnist_root}", "data.val_size=50", "data.batch_size=50"]
    data += ["trainer=ddp", "trainer.devices=2"] if ranks == 2 else []
    sweep = start("-m", *data, "optimizer.lr=choice(0.001)", "hydra/sweeper=optuna", "hydra/launcher=local",
                  "hydra/sweeper/pruner=median", "hydra.sweeper.direction=maximize",
                  f"hydra.launcher.num_workers={ranks}",
                  "hydra.launcher.gpus=null", "hydra.sweeper.n_trials=1", f"hydra.sweep.dir={tmp_path / 'sweep'}",
                  )  # fmt: skip
    end = time.monotonic() + 240
    while not RunPaths(tmp_path / "sweep" / "0").previous.is_file():  # two epochs are saved
        if time.monotonic() > end or sweep.poll() is not None:
            sweep.terminate()
            pytest.fail(sweep.communicate()[0])
        time.sleep(0.01)
    os.kill(study_of(tmp_path / "sweep").trials[0].user_attrs[marks.OWNER]["pid"], signal.SIGKILL)
    output, _ = sweep.communicate(timeout=300)
    assert sweep.returncode == 0, output
    undisturbed = {"overrides": [*SETTINGS, *data, "optimizer.lr=0.001"], "folder": str(tmp_path / "run")}
    if ranks == 1:
        train(compose(undisturbed["overrides"]), tmp_path / "run")
    else:
        train_together([undisturbed], ranks, tmp_path)

    trials = study_of(tmp_path / "sweep").trials
    assert [marks.condition(trial) for trial in trials] == ["not_counted", "complete"]
    assert list(trials[1].intermediate_values) == list(range(40))
    resumed, whole = tmp_path / "sweep" / "1", tmp_path / "run"
    assert rows(resumed) == rows(whole)
    results = [json.loads(RunPaths(folder).result.read_text()) for folder in (resumed, whole)]
    assert results[0]["monitored"] == results[1]["monitored"] == trials[1].value
    assert results[0]["steps"] == results[1]["steps"]
    log = RunPaths(resumed).log.read_text()
    assert "epoch 1/40" not in log, "it began anew"


def test_a_checkpoint_is_carried_over_last_of_all_and_whole(tmp_path, monkeypatch):
    before, run = RunPaths(tmp_path / "0"), RunPaths(tmp_path / "1")
    before.checkpoints.mkdir(parents=True)
    for file in (before.last, before.previous, before.metrics, before.log):
        file.write_text(file.name)
    seen = []

    def replace(source, target):
        seen.extend(sorted(str(path.relative_to(run.folder)) for path in run.folder.rglob("*") if path.is_file()))
        os.rename(source, target)

    monkeypatch.setattr(training.os, "replace", replace)
    with running_trial(Mock(), KilledTrial(before.folder, {})):
        assert training._goes_on(run.folder)

    assert seen == ["checkpoints/next.ckpt", "checkpoints/previous.ckpt", "metrics.csv"], "if it is killed here"
    assert run.last.read_text() == "last.ckpt"
