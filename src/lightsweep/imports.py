"""What a command does before it imports torch and lightning, and how a package that it lacks is installed."""

import importlib
import logging
import shlex
import sys
import warnings
from importlib.metadata import distributions
from types import ModuleType
from typing import Any

LEAN = "LIGHTSWEEP_LEAN_IMPORTS"
"""Environment variable by which a command lets the launcher's processes import as lean as itself."""
_UNUSED = ("matplotlib", "scipy", "transformers")


def how_to_install(*packages: str) -> str:
    """The command that installs packages into this environment; one that uv made has no pip of its own.

    Its metadata is looked for: `find_spec("pip")` makes setuptools take the standard library's distutils from then on.
    """
    program = "pip" if any(distributions(name="pip")) else "uv pip"
    return f"{program} install {shlex.join(packages)}"


def quiet_imports() -> None:
    """Let libraries keep to themselves what nobody here can mend.

    Lightning uses a name that torch has deprecated; Optuna misses bars that nobody would see in a notebook; matplotlib,
    which torchmetrics imports, tells of its list of fonts when it is imported for the first time.
    """
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=r".*LeafSpec.*is deprecated")
    warnings.filterwarnings("ignore", message="IProgress not found")


def lean_imports() -> None:
    """Quiet imports, and torchmetrics, which Lightning imports, without what it wants for plots, sound and texts.

    Where matplotlib, scipy or transformers are installed, they would cost every command a second or several. What asks
    for them later gets them; `torchmetrics.text` alone then lacks its metrics by transformers. For a process of one's
    own.
    """
    quiet_imports()
    if "torchmetrics" in sys.modules:
        return
    from unittest.mock import patch

    from lightning_utilities.core import imports as optional

    package_available, requirement_met = optional.package_available, optional.RequirementCache.__bool__

    def package_used(name: str) -> bool:
        return name not in _UNUSED and package_available(name)

    def requirement_used(asked: Any) -> bool:
        return not (asked.requirement or "").startswith(_UNUSED) and requirement_met(asked)

    with (
        patch.object(optional, "package_available", package_used),
        patch.object(optional.RequirementCache, "__bool__", requirement_used),
    ):
        from torchmetrics.utilities import plot
    if "matplotlib" not in sys.modules:
        _load_when_asked(plot)


def _load_when_asked(plot: ModuleType) -> None:
    """Let torchmetrics' drawing functions, each of which begins by this question, import matplotlib then."""

    def load() -> None:
        importlib.reload(plot)  # its functions, which others have imported by name, see what the module then has
        plot._error_on_missing_matplotlib()

    plot._error_on_missing_matplotlib = load  # type: ignore[attr-defined]
