"""The commands behind `train.py`, `evaluate.py` and the console script `lightsweep`; one module a command."""

from lightsweep.cli.evaluating import evaluate
from lightsweep.cli.training import train

__all__ = ["evaluate", "train"]
