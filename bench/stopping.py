"""How soon a run ends after SIGTERM, with its state saved: python -m bench.stopping [num_signals].

The default run (the ConvNet) is sent one signal at a random moment of its first three seconds of training. Printed are
the seconds until its process has ended. One that does not end as promised, with exit code 143 and a checkpoint that is
younger than the signal, ends the measurement.
"""

import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

from lightsweep.paths import RunPaths

ROOT = Path(__file__).resolve().parents[1]
WITHIN_S = 3.0


def stop_once(delay_s: float) -> float:
    """Seconds from the signal to the end of the process.

    Raises:
        RuntimeError: the run did not end as promised.
    """
    with tempfile.TemporaryDirectory() as name:
        run = RunPaths(Path(name, "run"))
        command = [sys.executable, str(ROOT / "train.py"), f"hydra.run.dir={run.folder}", f"data.root={ROOT / 'data'}"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            while not run.metrics.is_file() and process.poll() is None:  # begun with the first logged step
                time.sleep(0.01)
            time.sleep(delay_s)
            sent, began = time.time(), time.perf_counter()
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate()
            seconds = time.perf_counter() - began
        if process.returncode != 143 or run.last.stat().st_mtime < sent:
            raise RuntimeError(f"the run did not end as promised: exit code {process.returncode}, {err}")
        return seconds


def main() -> None:
    """Print median, smallest and largest."""
    num_signals = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    print(f"{platform.machine()}, {os.cpu_count()} cores; torch {version('torch')}; load {os.getloadavg()[0]:.1f}")
    dice = random.Random(0)
    found = [stop_once(dice.uniform(0, WITHIN_S)) for _ in range(num_signals)]
    print(f"ended {median(found):.2f} s after the signal ({min(found):.2f}–{max(found):.2f}), n {num_signals}")


if __name__ == "__main__":
    main()
