"""Train, sweep and compare small and middling models.

    from lightsweep import compose, sweep, train

`compose` needs neither torch nor lightning; they are imported when one of the others is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lightsweep.config.compose import compose
from lightsweep.errors import ConfigError, DataError, Diverged, Interrupted, LightsweepError, RunFolderError, UserError

if TYPE_CHECKING:
    from lightsweep.api import Result, Sweep, Trial, evaluate, sweep, train

__version__ = "0.1.0"
__all__ = [
    "ConfigError",
    "DataError",
    "Diverged",
    "Interrupted",
    "LightsweepError",
    "Result",
    "RunFolderError",
    "Sweep",
    "Trial",
    "UserError",
    "compose",
    "evaluate",
    "sweep",
    "train",
]

_LAZY = {"Result", "Sweep", "Trial", "evaluate", "sweep", "train"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module("lightsweep.api"), name)
    raise AttributeError(f"module 'lightsweep' has no attribute {name!r}")
