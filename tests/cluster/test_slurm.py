"""A real SLURM of this machine alone: a sweep, a pre-empted job, a killed one, and a training run inside a job."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.trial import TrialState

from lightsweep.paths import RunPaths, home
from lightsweep.sweeping import marks

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def slurm(tmp_path_factory) -> Iterator[dict[str, str]]:
    """The environment in which SLURM's commands find it."""
    folder = tmp_path_factory.mktemp("slurm")
    subprocess.run([HERE / "slurm_up", folder, "2"], check=True, timeout=120)
    try:
        yield {"SLURM_CONF": str(folder / "slurm.conf")}
    finally:
        subprocess.run([HERE / "slurm_down", folder], check=True, timeout=60)


@pytest.fixture
def needs_slurm(needs_program, needs_package) -> None:
    needs_program("slurmctld", "slurmd", "munged", "sbatch", "srun")
    needs_package("submitit")
    if os.geteuid() != 0:
        pytest.skip("slurmd takes root")


def running_jobs(slurm: dict[str, str]) -> list[str]:
    asked = subprocess.run(["squeue", "-h", "-r", "-t", "R", "-o", "%i"], env={**os.environ, **slurm},
                           capture_output=True, text=True, check=True)  # fmt: skip
    return asked.stdout.split()


@pytest.mark.slow
def test_preempted_and_killed_jobs_are_made_up_for_and_every_trial_counts_once(needs_slurm, request, swept):
    slurm = request.getfixturevalue("slurm")
    sweep = swept.start("hydra/launcher=slurm", "hydra.launcher.partition=gpu", "hydra.launcher.array_parallelism=2",
                        "hydra.launcher.poll_s=0.5", "+sleep_s=15", "hydra.sweeper.n_trials=4",
                        environ=slurm)  # fmt: skip

    def two_run() -> bool:
        running = [trial for trial in swept.trials() if trial.state is TrialState.RUNNING]
        return len(running) == 2 and all(marks.FOLDER in trial.user_attrs for trial in running)

    swept.wait_for(sweep, two_run)
    first, second = running_jobs(slurm)
    subprocess.run(["scancel", "--signal=USR2", first], env={**os.environ, **slurm}, check=False)
    # that scancel tries an array's first job again and then says that it has ended
    subprocess.run(["scancel", "--signal=KILL", "--full", second], env={**os.environ, **slurm}, check=True)
    output, _ = sweep.communicate(timeout=240)

    assert sweep.returncode == 0, output
    trials = swept.trials()
    counts = marks.count(trials)
    assert (counts.complete, counts.failed, counts.running, counts.waiting) == (4, 0, 0, 0), output
    lost = [trial for trial in trials if marks.condition(trial) == "not_counted"]
    assert len(lost) == 2
    assert any("interrupted by signal 12" in trial.user_attrs[marks.REASON] for trial in lost), "SIGUSR2"
    assert "it is started again" in output


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_run_inside_a_job_of_one_task_starts_its_own_processes(ranks, needs_slurm, request, mnist_root, tmp_path):
    slurm = request.getfixturevalue("slurm")
    training = [sys.executable, str(home() / "train.py"), "model=softmax_regression", "logger=none",
                "trainer.max_epochs=1", "trainer.accelerator=cpu", f"data.root={mnist_root}", "data.val_size=50",
                f"trainer.devices={ranks}", f"trainer.strategy={'ddp' if ranks == 2 else 'auto'}",
                f"hydra.run.dir={tmp_path / 'run'}"]  # fmt: skip
    environ = {**os.environ, **slurm, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(["srun", "--ntasks=1", *training], env=environ, capture_output=True, text=True, timeout=400)

    assert done.returncode == 0, done.stderr
    result = json.loads(RunPaths(tmp_path / "run").result.read_text())
    assert (result["status"], result["steps"]) == ("completed", 6)
