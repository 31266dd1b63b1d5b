"""What a screen shows: numbers and texts in a line, and where something that moves can be drawn."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def many(count: int, word: str) -> str:
    """`1 run`, `2 runs`, `1,100 runs`."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def cut(text: str, length: int) -> str:
    """A text of no more letters; where some are left out, an ellipsis is the last."""
    return text if len(text) <= length else text[: length - 1] + "…"


def draws(console: "Console") -> bool:
    """Whether bars and tables can be drawn anew in place: on a terminal, or in a notebook with ipywidgets.

    Not where a terminal is only meant for its colours (`FORCE_COLOR`).
    """
    if console.is_jupyter:
        return find_spec("ipywidgets") is not None
    return console.is_terminal and console.file.isatty() and not console.is_dumb_terminal


def decimals(value: float) -> str:
    """A loss or a metric with four decimals; where these would be zeros or many digits, with a power of ten."""
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.3e}"
