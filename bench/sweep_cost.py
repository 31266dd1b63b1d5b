"""What the sweeper itself costs a trial, as the study grows: python -m bench.sweep_cost [num_trials].

For each trial a process is forked, as `hydra/launcher=local` forks one; it opens the study in the default storage,
claims a trial, draws two parameters, does nothing, and tells. Prints for each quarter of the trials the median
milliseconds from the first to the last of that; fork, composition of the configuration and the task are not in it.
"""

import itertools
import json
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

import optuna

from lightsweep.sweeping.claim import claim
from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.space import build_space
from lightsweep.sweeping.storage import storage_spec
from lightsweep.sweeping.study import open_study

SPACE = {"optimizer.lr": "tag(log,interval(1e-4,1))", "optimizer.momentum": "interval(0,0.99)"}


def measure(sampler: str, num_trials: int) -> list[list[float]]:
    """Milliseconds to claim, to draw and to tell, of each trial."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        node = {"_target_": f"optuna.samplers.{sampler}", "seed": 0}
        storage, space = storage_spec(None, folder), build_space(SPACE, None, [])
        plan = Plan("cost", storage, folder, ("minimize",), node, None, space, num_trials)
        open_study(plan)
        return [_forked(plan) for _ in range(num_trials)]


def _forked(plan: Plan) -> list[float]:
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        os.write(writing, json.dumps(_one_trial(plan)).encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as answer:
        costs = json.load(answer)
    os.waitpid(pid, 0)
    return costs


def _one_trial(plan: Plan) -> list[float]:
    moments = [time.perf_counter()]
    trial = claim(plan)
    assert trial is not None
    moments.append(time.perf_counter())
    plan.space.suggest(trial, {}.get)
    moments.append(time.perf_counter())
    trial.study.tell(trial, abs(trial.params["optimizer.lr"] - 0.1) + trial.params["optimizer.momentum"])
    moments.append(time.perf_counter())
    return [1000 * (late - early) for early, late in itertools.pairwise(moments)]


def main() -> None:
    """Print a line a quarter for random sampling and for TPE."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    num_trials = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    versions = f"Python {platform.python_version()}, optuna {version('optuna')}"
    print(f"{platform.machine()}, {os.cpu_count()} cores; {versions}; load {os.getloadavg()[0]:.1f}")
    for sampler in ("RandomSampler", "TPESampler"):
        costs = measure(sampler, num_trials)
        quarter = num_trials // 4
        for start in range(0, 4 * quarter, quarter):
            show(f"{sampler} trials {start}–{start + quarter - 1}", costs[start : start + quarter])


def show(name: str, costs: list[list[float]]) -> None:
    """Print one line of statistics."""
    whole = sorted(sum(cost) for cost in costs)
    middle = [median(cost[step] for cost in costs) for step in range(3)]
    parts = "claim {:.1f}, draw {:.1f}, tell {:.1f}".format(*middle)
    ninth = whole[int(0.9 * len(whole))]
    print(f"{name}: median {median(whole):.1f} ms ({parts}), 90 % within {ninth:.1f}, n {len(whole)}", flush=True)


if __name__ == "__main__":
    main()
