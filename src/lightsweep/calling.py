"""How the commands of the running program are called, for messages that say what to call."""

import sys
from pathlib import Path

CONSOLE = "lightsweep"
"""The console script."""


def called(command: str = "train") -> list[str]:
    """The words by which a command is called: by the console script where that runs, else as the script of its name.

    Where the running script was named with its folder, that one's neighbour is named so too.
    """
    program = Path(sys.argv[0])
    if program.name != CONSOLE:
        beside = program.with_name(f"{command}.py") if program.name else program
        return ["python", str(beside) if beside.is_file() else f"{command}.py"]
    return [CONSOLE] if command == "train" else [CONSOLE, command]
