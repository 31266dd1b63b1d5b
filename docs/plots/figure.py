"""One look for all plots: legible on light and dark pages, and the same file for the same numbers."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "plots"
GREY = "#808080"
COLOURS = ["#4c78a8", "#f58518", "#54a24b", "#e45756", "#b279a2", "#9d755d", "#72b7b2"]

pyplot.rcParams.update(
    {
        "svg.hashsalt": "lightsweep",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 10,
        "axes.prop_cycle": matplotlib.cycler(color=COLOURS),
        "axes.grid": True,
        "grid.alpha": 0.25,
        "grid.color": GREY,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "savefig.transparent": True,
        **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), GREY),
    }
)


def axes(rows: int = 1, columns: int = 1, height: float = 3.4) -> tuple[Any, Any]:
    """A figure as wide as a page's text, and its axes as a flat list; the only one itself."""
    figure, grid = pyplot.subplots(rows, columns, figsize=(8, height), squeeze=False)
    flat = list(grid.flat)
    return figure, flat[0] if len(flat) == 1 else flat


def save(figure: Any, name: str) -> None:
    """Write `docs/assets/plots/<name>.svg`, without a date."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})
    pyplot.close(figure)
