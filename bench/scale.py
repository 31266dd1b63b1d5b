"""How well a sweep fills many workers: python -m bench.scale [--launchers local,ray] [--workers 1,2,8,32,64] …

Each trial sleeps one second and reports nothing, so that any number of workers fits on a few cores until the launcher's
and the sweeper's own work fills them; from there on the figures are the machine's and no longer the design's. Printed
for each launcher and number of workers: the share of the workers' time, from the first trial's start to the last one's
end, that trials slept; the seconds of the whole command; and the processor time of the command and its children a
trial (Ray's own processes are not its children, and are not in it).
"""

import argparse
import importlib.util
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from optuna.trial import TrialState

from lightsweep.sweeping.storage import open_storage, storage_spec

PROGRAM = """
import time, hydra

@hydra.main(version_base="1.3", config_path=None)
def main(cfg):
    units = 1 + int(1e6 * abs(cfg.x)) % cfg.longest
    time.sleep(cfg.unit_s * units)
    return units

if __name__ == "__main__":
    main()
"""
LAUNCHERS = {
    "local": lambda workers: ["hydra/launcher=local", "hydra.launcher.gpus=null",
                              f"hydra.launcher.num_workers={workers}",
                              "hydra.launcher.preload=[optuna,lightsweep.sweeping.job]"],
    "ray": lambda workers: ["hydra/launcher=ray", f"+hydra.launcher.init.num_cpus={workers}"],
}  # fmt: skip
SLEEP_S = 1.0


def measure(launcher: str, workers: int, per_worker: int, storage: str | None) -> tuple[float, float, float]:
    """Efficiency in [0, 1], seconds of the command, and CPU seconds a trial."""
    num_trials = workers * per_worker
    used, began = _cpu_s(), time.perf_counter()
    trials = sweep(launcher, workers, num_trials, [f"+unit_s={SLEEP_S}", "+longest=1"], storage)
    seconds = time.perf_counter() - began
    first = min(trial.datetime_start for trial in trials)
    span_s = (max(trial.datetime_complete for trial in trials) - first).total_seconds()
    return num_trials * SLEEP_S / (workers * span_s), seconds, (_cpu_s() - used) / num_trials


def sweep(launcher: str, workers: int, num_trials: int, lengths: list[str], storage: str | None = None) -> list[Any]:
    """Run a sweep of trials that sleep, and give its trials, all of them complete.

    Args:
        lengths: overrides of `unit_s` and `longest`: a trial sleeps one to `longest` units, by what it
            drew, and its value is their number.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "program.py").write_text(PROGRAM)
        study = f"scale-{launcher}-{workers}-{time.time_ns()}"
        overrides = [*LAUNCHERS[launcher](workers), "hydra/sweeper=optuna", f"hydra.sweeper.n_trials={num_trials}",
                     "hydra.sweeper.sampler.seed=0", f"hydra.sweeper.study_name={study}", "+x=interval(-2,2)",
                     *lengths, f"hydra.sweep.dir={folder}", "hydra.output_subdir=null"]  # fmt: skip
        overrides += [] if storage is None else [f"hydra.sweeper.storage={storage}"]
        command = [sys.executable, "program.py", "-m", *overrides]
        done = subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{launcher} with {workers} workers failed:\n{done.stdout}\n{done.stderr}")
        opened = open_storage(storage_spec(storage, folder))
        trials = opened.get_all_trials(opened.get_study_id_from_name(study))
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * num_trials, "not every trial completed once"
    return trials


def _environment() -> dict[str, str]:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}


def _cpu_s() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def main() -> None:
    """Measure each launcher at each number of workers, and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--launchers", default="local,ray")
    parser.add_argument("--workers", default="1,2,8,32,64")
    parser.add_argument("--per-worker", type=int, default=8, metavar="N", help="trials of each worker (default: 8)")
    parser.add_argument("--repeats", type=int, default=3, metavar="N")
    parser.add_argument("--storage", help="a database's URL; a journal in the sweep's folder without it")
    given = parser.parse_args()
    names = [name for name in ("optuna", "hydra-core", "ray") if importlib.util.find_spec(name.partition("-")[0])]
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    print(f"{platform.machine()}, {os.cpu_count()} cores; {versions}; load {os.getloadavg()[0]:.1f}", flush=True)
    for launcher in given.launchers.split(","):
        for workers in map(int, given.workers.split(",")):
            found = [measure(launcher, workers, given.per_worker, given.storage) for _ in range(given.repeats)]
            efficiency, seconds, cpu_s = (median(column) for column in zip(*found, strict=True))
            low, high = min(row[0] for row in found), max(row[0] for row in found)
            print(
                f"{launcher:>6} {workers:>3} workers: efficiency {efficiency:.3f} ({low:.3f}–{high:.3f}), "
                f"command {seconds:.1f} s, CPU {1000 * cpu_s:.0f} ms a trial, n {given.repeats}",
                flush=True,
            )


if __name__ == "__main__":
    main()
