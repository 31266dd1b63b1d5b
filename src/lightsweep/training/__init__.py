"""One run: build, fit, test, result."""

from lightsweep.training.result import Result
from lightsweep.training.run import evaluate, train

__all__ = ["Result", "evaluate", "train"]
