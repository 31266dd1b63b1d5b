"""What a sweep would do on 1 to 1,024 GPUs, simulated: python -m bench.scale_simulation [--epoch-s 10] …

Taken from measurement: the learning curves and the spread of epoch times of a real sweep (scale_measured.json, made by
--measure FOLDER from a sweep that pruned nothing), and what one claim and one report take of the storage. Assumed: each
trial draws one of those curves at random, as random search would; a GPU is busy with one trial at a time; the storage
serves one request after the other; nothing fails. Pruning is Optuna's median rule on what has been told until then, so
that more GPUs know less when they decide. All of it is drawn from --seed.
"""

import argparse
import bisect
import csv
import heapq
import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median

from lightsweep.paths import RunPaths

MEASURED = Path(__file__).with_name("scale_measured.json")
GPUS = tuple(2**power for power in range(11))
STARTUP_TRIALS = 5  # MedianPruner's n_startup_trials


@dataclass(frozen=True)
class Curve:
    """One measured trial: for each epoch the validation accuracy, and its time as a multiple of the sweep's median."""

    values: Sequence[float]
    paces: Sequence[float]


@dataclass(frozen=True)
class Costs:
    """Seconds: of an epoch, of a trial's start, and of the storage for a claim with its tell, and for a report."""

    epoch_s: float
    start_s: float
    claim_s: float
    report_s: float


@dataclass
class Sweep:
    """One simulated sweep.

    Attributes:
        wall_s: from its start to the last trial's end.
        worked_s: time that GPUs spent on trials, over all of them.
        waited_s: time that they waited for the storage.
        served_s: time that the storage was busy.
        best: the best accuracy told, with the time from which on it was known.
    """

    wall_s: float = 0.0
    worked_s: float = 0.0
    waited_s: float = 0.0
    served_s: float = 0.0
    pruned: int = 0
    best: list[tuple[float, float]] = field(default_factory=list)


def simulate(curves: Sequence[Curve], costs: Costs, num_gpus: int, num_trials: int, seed: int) -> Sweep:
    """Run a sweep through: an event is a GPU that asks the storage, and they are served in the order of asking."""
    chance, sweep = random.Random(seed), Sweep()
    drawn = [chance.choice(curves) for _ in range(num_trials)]
    told: list[list[float]] = [[] for _ in range(max(len(curve.values) for curve in curves))]
    events: list[tuple[float, int, int, int]] = [
        (0.0, gpu, -1, -1) for gpu in range(num_gpus)
    ]  # time, gpu, trial, epoch
    started, free_at = 0, 0.0
    while events:
        asked, gpu, trial, epoch = heapq.heappop(events)
        served = costs.claim_s if epoch < 0 else costs.report_s
        now = free_at = max(asked, free_at) + served
        sweep.waited_s += now - asked
        sweep.served_s += served
        if epoch >= 0:
            curve = drawn[trial]
            last, pruned = epoch == len(curve.values) - 1, _prunes(told[epoch], max(curve.values[: epoch + 1]))
            if last:
                for step, value in enumerate(curve.values):
                    bisect.insort(told[step], value)
                if not sweep.best or max(curve.values) > sweep.best[-1][1]:
                    sweep.best.append((now, max(curve.values)))
            elif not pruned:
                _work(events, sweep, now, gpu, trial, epoch + 1, costs.epoch_s * curve.paces[epoch + 1])
                continue
            sweep.pruned += pruned and not last
            sweep.wall_s = now
            heapq.heappush(events, (now, gpu, -1, -1))
        elif started < num_trials:
            first = costs.start_s + costs.epoch_s * drawn[started].paces[0]
            _work(events, sweep, now, gpu, started, 0, first)
            started += 1
    return sweep


def _work(events: list, sweep: Sweep, now: float, gpu: int, trial: int, epoch: int, seconds: float) -> None:
    sweep.worked_s += seconds
    heapq.heappush(events, (now + seconds, gpu, trial, epoch))


def _prunes(told: Sequence[float], best: float) -> bool:
    """Optuna's MedianPruner, maximizing: worse than the median that complete trials had at this step."""
    return len(told) >= STARTUP_TRIALS and best < median(told[(len(told) - 1) // 2 : len(told) // 2 + 1])


def read_sweep(folder: Path) -> dict[str, list[dict[str, list[float]]]]:
    """The curves of a sweep's trials that ran to their end, from their metrics.csv."""
    found = []
    for path in sorted(folder.glob(f"[0-9]*/{RunPaths(folder).metrics.name}")):
        with path.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row.get("val/acc")]
        if len(rows) < 2:  # it was stopped
            continue
        ends = [float(row["seconds"]) for row in rows]
        seconds = [late - early for early, late in itertools.pairwise(ends)]
        found.append({"values": [float(row["val/acc"]) for row in rows], "seconds": [seconds[0], *seconds]})
    longest = max(len(trial["values"]) for trial in found)
    return {"trials": [trial for trial in found if len(trial["values"]) == longest]}


def load_curves(path: Path) -> list[Curve]:
    """Measured trials, their epoch times as multiples of the median one."""
    trials = json.loads(path.read_text(encoding="utf-8"))["trials"]
    middle = median(second for trial in trials for second in trial["seconds"])
    return [Curve(trial["values"], [second / middle for second in trial["seconds"]]) for trial in trials]


def table(
    curves: Sequence[Curve], costs: Costs, num_trials: int, seeds: Sequence[int], after_s: float
) -> Iterator[str]:
    """Markdown lines: one for each number of GPUs, means over the seeds."""
    yield (
        f"| GPUs | wall time, {num_trials:,} trials | pruned | idle: storage | idle: tail | storage busy | best after "
        f"{after_s:g} s | best |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for num_gpus in GPUS:
        sweeps = [simulate(curves, costs, num_gpus, num_trials, seed) for seed in seeds]
        wall_s, capacity = fmean(s.wall_s for s in sweeps), [num_gpus * s.wall_s for s in sweeps]
        stored = fmean(s.waited_s / all_s for s, all_s in zip(sweeps, capacity, strict=True))
        worked = fmean(s.worked_s / all_s for s, all_s in zip(sweeps, capacity, strict=True))
        early = [max((value for at, value in sweep.best if at <= after_s), default=None) for sweep in sweeps]
        yield (
            f"| {num_gpus:,} | {_span(wall_s)} | {fmean(s.pruned for s in sweeps) / num_trials:.0%} | {stored:.1%} | "
            f"{max(0.0, 1 - stored - worked):.1%} | {fmean(s.served_s / s.wall_s for s in sweeps):.0%} | "
            f"{_shown(early)} | {fmean(s.best[-1][1] for s in sweeps):.4f} |"
        )


def _shown(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{fmean(known):.4f}" if len(known) == len(values) else "none yet"


def _span(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


def main() -> None:
    """Print the table, or write the measurement that it is made from."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale_simulation", description=__doc__)
    parser.add_argument("--measure", type=Path, metavar="FOLDER", help="write the curves of this sweep, and end")
    parser.add_argument("--measured", type=Path, default=MEASURED, metavar="FILE")
    parser.add_argument("--epoch-s", type=float, default=10.0, metavar="S", help="a median epoch (default: 10 s)")
    parser.add_argument("--start-s", type=float, default=0.5, metavar="S", help="start of a trial (default: 0.5 s)")
    parser.add_argument("--claim-ms", type=float, default=24.0, metavar="MS", help="claim and tell (default: 24)")
    parser.add_argument("--report-ms", type=float, default=2.2, metavar="MS", help="a report (default: 2.2)")
    parser.add_argument("--trials", type=int, default=4096)
    parser.add_argument("--seeds", type=int, default=5, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.measure is not None:
        given.measured.write_text(json.dumps(read_sweep(given.measure)), encoding="utf-8")
        return
    curves = load_curves(given.measured)
    costs = Costs(given.epoch_s, given.start_s, given.claim_ms / 1000, given.report_ms / 1000)
    seeds = range(given.seed, given.seed + given.seeds)
    after_s = 1.5 * len(curves[0].values) * given.epoch_s
    print(f"{len(curves)} measured curves of {len(curves[0].values)} epochs; {costs}; n {given.seeds} seeds")
    print("\n".join(table(curves, costs, given.trials, seeds, after_s)))


if __name__ == "__main__":
    main()
