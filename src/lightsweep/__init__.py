"""Train, sweep and compare small and middling models.

    from lightsweep import compare, compose, sweep, train

`compose` needs neither torch nor lightning; they are imported when one of the others is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lightsweep.config.compose import compose
from lightsweep.errors import (
    ConfigError,
    DataError,
    Diverged,
    Interrupted,
    LightsweepError,
    RunFolderError,
    RunStopped,
    SweepFailed,
    UserError,
)

if TYPE_CHECKING:
    from lightsweep.api import (
        Comparison,
        Difference,
        Estimate,
        Result,
        Sweep,
        Trial,
        compare,
        evaluate,
        sweep,
        train,
    )

__version__ = "0.1.0"
__all__ = [
    "Comparison",
    "ConfigError",
    "DataError",
    "Difference",
    "Diverged",
    "Estimate",
    "Interrupted",
    "LightsweepError",
    "Result",
    "RunFolderError",
    "RunStopped",
    "Sweep",
    "SweepFailed",
    "Trial",
    "UserError",
    "compare",
    "compose",
    "evaluate",
    "sweep",
    "train",
]


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # what is not imported above
        return getattr(import_module("lightsweep.api"), name)
    raise AttributeError(f"module 'lightsweep' has no attribute {name!r}")
