"""The letters of pictures that Pillow draws."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def font(size: int, *texts: str) -> Font:
    """Pillow's own font, which has the letters of English alone, or for other texts one that matplotlib brings.

    DejaVu Sans has the letters of European languages, Arabic and Hebrew among others; it is wider, and so given a
    smaller size.
    """
    return _loaded(size, all(text.replace("…", "").isascii() for text in texts))


@cache
def _loaded(size: int, english: bool) -> Font:
    if english:
        return ImageFont.load_default(size)
    package = find_spec("matplotlib")  # importing it takes a second
    assert package is not None
    file = Path(package.origin or "").parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(file, round(0.75 * size))
