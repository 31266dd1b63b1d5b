"""A figure as inline SVG, whose lines follow the page's light or dark colours, and as PNG.

matplotlib and not plotly: its SVG is a few kilobytes a figure where plotly.js alone is four megabytes, and it writes
PNGs without a browser.
"""

import io
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, product
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

INK = "#24292f"
"""Text, axes and marks; in the page's SVG it becomes the colour of the page's text."""

QUIET = "#8b949e"
"""What stands in the background on light and dark alike: pruned trials, single runs."""

PALETTE = ("#3b7dd8", "#e4572e", "#2a9d5c", "#c08a00", "#8e5bd0", "#17a2b8", "#d6418f", "#7a7f35")
LINES = ("-", "--", ":", "-.")
WIDEST_LEGEND = 0.4
"""Share of a figure's width that a legend beside the axes may take."""
WIDE = 1000
"""What positive values may differ by, in times, and still be told apart on a linear axis."""

_FONTS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei", "Droid Sans Fallback", "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "SimHei",
    "Arial Unicode MS",
)  # fmt: skip
"""Fonts with the letters that matplotlib's own lacks; the first that the machine has is taken."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "lightsweep",
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": QUIET,
    "grid.alpha": 0.25,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "font.size": 9,
    "lines.linewidth": 1.6,
}


@dataclass(frozen=True)
class Drawing:
    """A finished figure.

    Args:
        name: of its PNG file.
        title: what it shows.
        caption: units, n, and what bands and marks mean.
        svg: an element `<svg>` for the page.
        png: the bytes of the PNG file.
    """

    name: str
    title: str
    caption: str
    svg: str
    png: bytes


def draw(
    name: str, title: str, caption: str, paint: Callable[[Axes], None], size: tuple[float, float] = (5.2, 3.5)
) -> Drawing:
    """Draw one figure.

    Args:
        name, title, caption: those of the drawing.
        paint: puts everything into the axes, names of both axes included.
        size: width and height in inches.
    """
    style = matplotlib.rc_context({**_STYLE, "font.sans-serif": _families()})
    with style, warnings.catch_warnings(), np.errstate(over="ignore"):  # by values that lie far beyond the axes
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # the page's browser may have it
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        paint(axes)
        axes.set_title(title, loc="left", wrap=True)
        vector, pixels = io.StringIO(), io.BytesIO()
        figure.savefig(vector, format="svg", transparent=True, metadata={"Date": None})
        figure.set_layout_engine(None)  # all has its place now
        figure.savefig(pixels, format="png", dpi=160, facecolor="white")
    return Drawing(name, title, caption, _for_page(vector.getvalue(), name), pixels.getvalue())


def styles_of(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Colour and line style by name, 32 that differ, then the same again; for several figures of the same things."""
    looks = cycle((colour, line) for line, colour in product(LINES, PALETTE))
    return dict(zip(dict.fromkeys(names), looks, strict=False))


@contextmanager
def legend_beside(axes: Axes) -> Iterator[None]:
    """Put the legend of what the body draws where it covers nothing, if it names several things.

    That is to the right of the axes, and below them where it would leave them too little room.
    """
    yield
    if len(axes.get_legend_handles_labels()[1]) < 2:
        return
    legend = axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure = axes.get_figure(root=True)
    assert figure is not None
    size = legend.get_window_extent()
    if size.width > WIDEST_LEGEND * figure.bbox.width:
        legend.remove()
        columns = max(1, int(figure.bbox.width // size.width))
        figure.set_figheight((figure.bbox.height + size.height / columns) / figure.dpi)
        figure.legend(loc="outside lower left", ncols=columns)


def legend_below(axes: Axes) -> None:
    """Put the legend below the axes, where it covers no point."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.legend(loc="outside lower left", ncols=3)


def whole_numbers(axis: Axis) -> None:
    """Mark whole numbers where there are several; so few that six digits have room beside the widest legend."""
    axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 3, 4, 5, 10], integer=True, min_n_ticks=1))


def few_numbers(axis: Axis) -> None:
    """Mark so few numbers that several digits have room beside long labels."""
    axis.set_major_locator(MaxNLocator(4))


def log_axis(axis: Axis) -> None:
    """Make the axis of what is drawn already logarithmic, with plain numbers: its decades, of few also 3, 0.3, …, and
    where there is hardly one, evenly spaced ones.
    """
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})  # type: ignore[attr-defined]
    low, high = sorted(axis.get_view_interval())
    if high < 10 * low:
        few_numbers(axis)
    elif high < 1000 * low:
        axis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def only_possible(axis: Axis) -> None:
    """End the axis of what is drawn already, in per cent, just beyond 0 and 100: intervals alone may reach further."""
    low, high = sorted(axis.get_view_interval())
    axis.axes.set(**{f"{axis.axis_name}lim": (max(low, -1), min(high, 101))})  # type: ignore[attr-defined]


def wide(values: Iterable[float]) -> bool:
    """Whether positive values lie so far apart that only a log axis tells the small ones from one another."""
    found = list(values)
    return bool(found) and min(found) > 0 and max(found) > WIDE * min(found)


def _families() -> list[str]:
    known = set(fontManager.get_font_names())
    return ["DejaVu Sans", *[name for name in _FONTS if name in known][:1]]


def _for_page(text: str, name: str) -> str:
    """The `<svg>` element alone, scaling with the page, in the page's colour, its ids no other figure's."""
    svg = text[text.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", svg, count=1)
    svg = re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", svg, count=1)
    return re.sub(r"<[^>]*>", lambda tag: _own(tag[0], name), svg).strip()  # and not the text between them


def _own(tag: str, name: str) -> str:
    for reference in (' id="', 'href="#', "url(#"):
        tag = tag.replace(reference, f"{reference}{name}-")
    return tag.replace(INK, "currentColor")
