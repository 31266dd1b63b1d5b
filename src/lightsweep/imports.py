"""What a command does before it imports torch and lightning, and how a package that it lacks is installed."""

import logging
import shlex
import warnings
from importlib.metadata import distributions


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
