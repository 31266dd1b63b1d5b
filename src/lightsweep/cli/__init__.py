"""The commands behind the programs at the root and the console script `lightsweep`; one module a command."""

from lightsweep.cli.evaluating import evaluate
from lightsweep.cli.reporting import report
from lightsweep.cli.training import train

__all__ = ["evaluate", "report", "train"]
