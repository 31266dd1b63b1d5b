"""Evaluate a finished run on the test set: `python evaluate.py run=outputs/<a run>`."""

from lightsweep.cli import evaluate

if __name__ == "__main__":
    evaluate()
