"""The console script `lightsweep`: every command under one name; without one, it trains."""

import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

from lightsweep.cli.ending import ended_by, leave
from lightsweep.config.nearest import nearest
from lightsweep.errors import ConfigError
from lightsweep.exiting import run_program

COMMANDS = {
    "train": ("training", "one run, a grid (-m) or a search (-m sweeps=…); the default"),
    "evaluate": ("evaluating", "run=<folder>: a finished run on the test set"),
    "report": ("reporting", "<folder> …: which of the settings in it is better, and how sure that is"),
    "predict": ("predicting", "run=<folder> <file> …: what images, or the rows of a CSV file, are taken for"),
    "export": ("exporting", "run=<folder> [format=onnx|torch_export]: the network for other programs"),
    "new": ("new", "<folder>: a project of your own that runs at once"),
    "doctor": ("doctor", "[storage=<URL>]: what this machine lacks for a run, and what to do"),
    "info": ("info", "[topic]: what can be chosen and set, such as optimizers"),
}
"""By its name the module of `lightsweep.cli` that has the function of that name, imported when it is called; and a line
about it."""


def program() -> NoReturn:
    """The console script."""
    run_program(main)


def main() -> None:
    """Run the command that the first word names, `train` if that word is none."""
    with suppress(FileNotFoundError):  # which the command tells
        sys.path.append(os.getcwd())  # a project's own modules; last, so that none hides an installed one
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help", "help"):
        return ended_by(_print_commands)
    name = words[0] if words[0] in COMMANDS else "train"
    if name == words[0]:
        del sys.argv[1]
    elif words[0].isidentifier():
        known = nearest(words[0], COMMANDS) or f"; commands: {', '.join(COMMANDS)}"
        leave(f"`{words[0]}` is no command{known}", ConfigError.exit_code)
    return getattr(import_module(f"lightsweep.cli.{COMMANDS[name][0]}"), name)()


def _print_commands() -> None:
    print("lightsweep trains, tunes and compares small and middling models.\n")
    for name, (_, summary) in COMMANDS.items():
        print(f"  lightsweep {name:<10} {summary}")
    print("\nlightsweep train --help lists groups, choices and keys.")
