"""Whether what a stranger wrote for a logger or a callback names a place elsewhere.

What becomes of a value is up to whoever gets it: Lightning expands `~` and `$HOME`, fsspec takes `file:` and `s3:`, and
MLflow decodes `%2e`. So all of these count for all.
"""

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

_DATABASE = re.compile(r"^sqlite(\+\w+)?:///")
_SCHEME = re.compile(r"[A-Za-z][\w+.-]*:(?! )")
"""With a space behind its colon it is a sentence."""
_LEFT_OUT = re.compile(r"^ +|[\x00-\x1f]")
"""What Python's `urlparse` leaves out of an address."""


def leads_outside(key: str, value: Any, folder: Path) -> bool:
    """Whether a value of a logger or a callback names a place that is neither below here nor below a run's folder.

    Links are followed. `outputs` is a place of the user's own, wherever a link of that name leads.

    Args:
        key: the value's dotted key.
        value: anything; what is no text names no place.
        folder: the run's folder.
    """
    if not isinstance(value, str) or key.partition(".")[0] not in ("logger", "callbacks"):
        return False
    address = _LEFT_OUT.sub("", value)
    return any(_is_elsewhere(_DATABASE.sub("", text), folder) for text in (value, address, unquote(address)))


def _is_elsewhere(text: str, folder: Path) -> bool:
    if text.startswith("~") or "$" in text or _SCHEME.match(text) or ".." in Path(text).parts:
        return True
    homes = [os.path.realpath(home) for home in (".", "outputs", folder)]
    try:
        places = [os.path.realpath(Path(base, text)) for base in (".", folder)]  # a logger's `name` is below its folder
    except ValueError:  # a NUL or a lone surrogate, which no file's name has
        return True
    return not all(any(Path(place).is_relative_to(home) for home in homes) for place in places)
