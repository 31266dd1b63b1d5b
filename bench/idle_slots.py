"""How long a slot stands idle between trials of unequal length: python -m bench.idle_slots [launcher].

Trials sleep one to eight seconds, so a sweeper that waits for the slowest of a batch would leave slots idle for 34 % of
the time. Counted is all the time in which a slot does not sleep, from the first trial's start until the last one's: the
sweeper's work, the fork and the composition of the configuration too. After that there is nothing left to start.
"""

import os
import platform
import sys
from importlib.metadata import version
from statistics import median
from typing import Any

from bench.scale import sweep

UNIT_S, LONGEST = 1.0, 8
SLOTS, TRIALS = 4, 40
REPEATS = 3


def idle_share(trials: list[Any], workers: int) -> float:
    """The share of the slots' time, up to the last trial's start, in which they did not sleep; in [0, 1]."""
    first = min(trial.datetime_start for trial in trials)
    starts = [(trial.datetime_start - first).total_seconds() for trial in trials]
    end = max(starts)
    slept = sum(min(UNIT_S * t.value, end - start) for t, start in zip(trials, starts, strict=True))
    return 1 - slept / (workers * end)


def main() -> None:
    """Print the median idle share of three sweeps."""
    launcher = sys.argv[1] if len(sys.argv) > 1 else "local"
    lengths = [f"+unit_s={UNIT_S}", f"+longest={LONGEST}"]
    print(f"{platform.machine()}, {os.cpu_count()} cores; optuna {version('optuna')}; load {os.getloadavg()[0]:.1f}")
    found = [idle_share(sweep(launcher, SLOTS, TRIALS, lengths), SLOTS) for _ in range(REPEATS)]
    print(
        f"{launcher}, {SLOTS} slots, {TRIALS} trials of 1 to {LONGEST} s: idle {100 * median(found):.1f} % "
        f"({100 * min(found):.1f}–{100 * max(found):.1f}), n {REPEATS}"
    )


if __name__ == "__main__":
    main()
