"""Report on runs: `python report.py outputs/<a multirun or sweep>`."""

from lightsweep.cli import report

if __name__ == "__main__":
    report()
