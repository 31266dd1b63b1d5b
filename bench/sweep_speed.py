"""Trials a minute of a small sweep, and what a second worker is worth: python -m bench.sweep_speed [num_repeats].

20 trials of the MLP for one epoch of MNIST over learning rate, batch size and widths, each worker on one core. Trials a
minute are those of two workers and TPE, from the command's start to its end, imports included; the published template
with the official sweeper makes 6.7 on this task (2 cores). Two workers are compared with one on the same 20 settings,
drawn at random (TPE draws others where other results are known): the whole commands, and from the first trial's
start to the last one's end.
"""

import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from lightsweep.reporting.saved_study import open_saved_study

ROOT = Path(__file__).resolve().parents[1]
NUM_TRIALS = 20
SWEEP = (
    "-m", "model=mlp", "optimizer=adam", "trainer.max_epochs=1", "trainer.threads=1", "hydra/sweeper=optuna",
    "hydra/launcher=local", "hydra.sweeper.direction=maximize", f"hydra.sweeper.n_trials={NUM_TRIALS}",
    "hydra.sweeper.sampler.seed=0", "hydra.launcher.gpus=null", "optimizer.lr=tag(log,interval(1e-4,1e-1))",
    "data.batch_size=choice(32,64,128,256)", "model.widths=choice([64,64],[128,128],[256,256])",
)  # fmt: skip


@dataclass(frozen=True)
class Took:
    """One sweep.

    Attributes:
        seconds: of the whole command.
        working_s: from the first trial's start to the last one's end, in seconds.
        best: validation accuracy.
    """

    seconds: float
    working_s: float
    best: float

    def __str__(self) -> str:
        rate = 60 * NUM_TRIALS / self.seconds
        return f"{self.seconds:.1f} s, {rate:.1f} trials a minute, trials {self.working_s:.1f} s, best {self.best:.4f}"


def sweep(num_workers: int, sampler: str) -> Took:
    """Run the command once."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "train.py"), *SWEEP, f"hydra.launcher.num_workers={num_workers}"]
        command += [f"hydra/sweeper/sampler={sampler}", f"hydra.sweep.dir={folder}", f"data.root={ROOT / 'data'}"]
        start_s = time.perf_counter()
        subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, check=True)
        seconds = time.perf_counter() - start_s
        study = open_saved_study(Path(folder))
        assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * NUM_TRIALS, "not every trial completed"
        first = min(trial.datetime_start for trial in study.trials)
        last = max(trial.datetime_complete for trial in study.trials)
        return Took(seconds, (last - first).total_seconds(), study.best_value)


def main() -> None:
    """Take the sides in turn and print each, then what they come to."""
    num_repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "lightning", "optuna"))
    print(f"{platform.machine()}, {os.cpu_count()} cores; {versions}; load {os.getloadavg()[0]:.1f}")
    found: dict[tuple[int, str], list[Took]] = {(2, "tpe"): [], (2, "random"): [], (1, "random"): []}
    for _ in range(num_repeats):
        for (num_workers, sampler), taken in found.items():
            taken.append(sweep(num_workers, sampler))
            print(f"{num_workers} workers, {sampler}: {taken[-1]}", flush=True)
    pairs = list(zip(found[2, "random"], found[1, "random"], strict=True))
    show("trials a minute", [60 * NUM_TRIALS / took.seconds for took in found[2, "tpe"]])
    show("2 workers over 1, whole commands", [one.seconds / two.seconds for two, one in pairs])
    show("2 workers over 1, trials alone", [one.working_s / two.working_s for two, one in pairs])


def show(what: str, values: list[float]) -> None:
    """One line."""
    print(f"{what}: {median(values):.2f} ({min(values):.2f}–{max(values):.2f}), n {len(values)}")


if __name__ == "__main__":
    main()
