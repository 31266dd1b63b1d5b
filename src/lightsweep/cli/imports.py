"""What a command does before it imports torch and lightning."""

import warnings


def quiet_imports() -> None:
    """Lightning uses a name that torch has deprecated; nobody but Lightning can mend that."""
    warnings.filterwarnings("ignore", message=r".*LeafSpec.*is deprecated")
