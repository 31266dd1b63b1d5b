"""Report on runs: `python report.py outputs/<a multirun or sweep>`."""

from lightsweep.cli import report
from lightsweep.exiting import run_program

if __name__ == "__main__":
    run_program(report)
