"""Where something that moves can be drawn: a terminal, or a notebook with ipywidgets; elsewhere lines are printed."""

from importlib.util import find_spec

from rich.console import Console


def draws(console: Console) -> bool:
    """Whether bars and tables can be drawn anew in place; rich needs ipywidgets for it in a notebook."""
    if console.is_jupyter:
        return find_spec("ipywidgets") is not None
    return console.is_terminal and not console.is_dumb_terminal
