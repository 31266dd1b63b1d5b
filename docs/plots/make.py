"""Draws the plots of the documentation: `python docs/plots/make.py [name …]`, all of them without a name.

Runs go below `outputs/article/`; what is there already is not run again. All takes some minutes on two idle cores.
"""

import sys

from article import PLOTS

if __name__ == "__main__":
    plots = {draw.__name__: draw for draw in PLOTS}
    for name in sys.argv[1:] or plots:
        if name not in plots:
            sys.exit(f"error: no plot is called {name!r}; there are {', '.join(plots)}")
        print(name, flush=True)
        plots[name]()
