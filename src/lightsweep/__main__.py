"""`python -m lightsweep`: the console script where it is not on the path."""

import sys

from lightsweep.calling import CONSOLE
from lightsweep.cli.console import program

if __name__ == "__main__":
    sys.argv[0] = CONSOLE
    program()
