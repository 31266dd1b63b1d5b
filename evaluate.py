"""Evaluate a finished run on the test set: `python evaluate.py run=outputs/<a run>`."""

from lightsweep.cli import evaluate
from lightsweep.exiting import run_program

if __name__ == "__main__":
    run_program(evaluate)
