"""How the commands of the running program are called, for messages that say what to call."""

import sys
from pathlib import Path

CONSOLE = "lightsweep"
"""The console script."""


def called(command: str = "train") -> list[str]:
    """The words by which a command is called: by the console script where that runs, else as the script of its name."""
    if Path(sys.argv[0]).name != CONSOLE:
        return ["python", f"{command}.py"]
    return [CONSOLE] if command == "train" else [CONSOLE, command]
