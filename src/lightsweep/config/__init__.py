"""What a configuration may hold, and how it becomes objects. Imports neither torch nor lightning."""

from lightsweep.config.check import check
from lightsweep.config.targets import instantiate

__all__ = ["check", "instantiate"]
