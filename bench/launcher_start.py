"""How long the local launcher takes from one job to the next: python bench/launcher_start.py [num_jobs].

Runs an empty task through Hydra with hydra/launcher=local in one slot, modules preloaded, and prints in milliseconds,
for all jobs but the first: from the end of one task to the start of the next in the same slot (end of the process and
reaping, fork, surroundings, composition of the config), and from the fork request to the start of the task.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import hydra
from omegaconf import DictConfig

from lightsweep.launching import warm_server


@hydra.main(version_base="1.3", config_path=None)
def main(cfg: DictConfig) -> None:
    """Note when the task starts and ends."""
    start_s = time.monotonic()
    Path(cfg.folder, f"task{cfg.number}").write_text(f"{start_s} {time.monotonic()}")


def measure(folder: Path, num_jobs: int) -> None:
    """Launch the jobs, noting when each worker is asked for, and print the times."""
    asked: list[float] = []
    fork = warm_server.WarmServer.fork

    def timed_fork(*args: object) -> None:
        asked.append(time.monotonic())
        fork(*args)  # type: ignore[arg-type]

    warm_server.WarmServer.fork = timed_fork  # type: ignore[assignment,method-assign]
    numbers = ",".join(map(str, range(num_jobs)))
    sys.argv[1:] = ["-m", "hydra/launcher=local", "hydra.launcher.num_workers=1", f"+folder={folder}"]
    sys.argv += [f"+number={numbers}", f"hydra.sweep.dir={folder}", "hydra/hydra_logging=none"]
    main()
    times = [tuple(map(float, (folder / f"task{number}").read_text().split())) for number in range(num_jobs)]
    show("task to task", [times[number][0] - times[number - 1][1] for number in range(1, num_jobs)])
    show("fork request to task", [times[number][0] - asked[number] for number in range(1, num_jobs)])


def show(name: str, seconds: list[float]) -> None:
    """Print one line of statistics."""
    ms = sorted(1000 * value for value in seconds)
    print(f"{name}: median {statistics.median(ms):.0f} ms, min {ms[0]:.0f}, max {ms[-1]:.0f}, n {len(ms)}")


if __name__ == "__main__":
    num_jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name), num_jobs)
