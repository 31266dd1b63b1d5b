"""What a command does before it imports torch and lightning."""

import logging
import warnings


def quiet_imports() -> None:
    """Let libraries keep to themselves what nobody here can mend.

    Lightning uses a name that torch has deprecated; Optuna misses bars that nobody would see in a notebook; matplotlib,
    which torchmetrics imports, tells of its list of fonts when it is imported for the first time.
    """
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=r".*LeafSpec.*is deprecated")
    warnings.filterwarnings("ignore", message="IProgress not found")
