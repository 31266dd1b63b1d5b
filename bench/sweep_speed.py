"""Trials a minute of a small sweep, with two workers and with one: python -m bench.sweep_speed [num_repeats].

20 trials of the MLP for one epoch of MNIST over learning rate, batch size and widths, from the command's start to its
end, imports included. Both sides give each worker one core. The published template with the official sweeper makes 6.7
trials a minute on this task (2 cores).
"""

import csv
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
NUM_TRIALS = 20
SWEEP = (
    "-m", "model=mlp", "optimizer=adam", "trainer.max_epochs=1", "trainer.threads=1", "hydra/sweeper=optuna",
    "hydra/launcher=local", "hydra.sweeper.direction=maximize", f"hydra.sweeper.n_trials={NUM_TRIALS}",
    "hydra.sweeper.sampler.seed=0", "hydra.launcher.gpus=null", "optimizer.lr=tag(log,interval(1e-4,1e-1))",
    "data.batch_size=choice(32,64,128,256)", "model.widths=choice([64,64],[128,128],[256,256])",
)  # fmt: skip


def sweep(num_workers: int) -> tuple[float, float]:
    """Seconds of the whole command, and the best validation accuracy."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "train.py"), *SWEEP, f"hydra.launcher.num_workers={num_workers}"]
        command += [f"hydra.sweep.dir={folder}", f"data.root={ROOT / 'data'}"]
        start_s = time.perf_counter()
        subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, check=True)
        seconds = time.perf_counter() - start_s
        rows = list(csv.DictReader(Path(folder, "trials.csv").read_text().splitlines()))
        assert [row["state"] for row in rows] == ["complete"] * NUM_TRIALS, "not every trial completed"
        return seconds, max(float(row["value"]) for row in rows)


def main() -> None:
    """Take both sides in turn and print each, and their ratio."""
    num_repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "lightning", "optuna"))
    print(f"{platform.machine()}, {os.cpu_count()} cores; {versions}; load {os.getloadavg()[0]:.1f}")
    seconds: dict[int, list[float]] = {2: [], 1: []}
    for _ in range(num_repeats):
        for num_workers, taken in seconds.items():
            took, best = sweep(num_workers)
            taken.append(took)
            rate = 60 * NUM_TRIALS / took
            print(
                f"{num_workers} workers: {took:.1f} s, {rate:.1f} trials a minute, best val/acc {best:.4f}", flush=True
            )
    ratios = [one / two for two, one in zip(seconds[2], seconds[1], strict=True)]
    print(f"2 workers are {median(ratios):.2f} times 1 ({min(ratios):.2f}–{max(ratios):.2f}), n {num_repeats} pairs")


if __name__ == "__main__":
    main()
