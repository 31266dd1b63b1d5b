"""What a command does before it imports torch and lightning."""

import warnings


def quiet_imports() -> None:
    """Lightning uses a name that torch has deprecated, and Optuna imports bars that nobody sees in a notebook."""
    warnings.filterwarnings("ignore", message=r".*LeafSpec.*is deprecated")
    warnings.filterwarnings("ignore", message="IProgress not found")
