"""Names of settings that a figure has room for; everywhere else they stand in full."""

from collections.abc import Sequence
from itertools import takewhile
from unicodedata import east_asian_width

from lightsweep.reporting.grouping import distinct

ROOM = 40
"""Characters of a label; one of twice the width, as Chinese ones are, counts as two."""


def labels(names: Sequence[str]) -> list[str]:
    """A label for each name, no two alike.

    Too long a name loses its end. Where that makes two alike, all lose the words that they have in common at their
    start; where that does not help, too long ones lose their middle.
    """
    words = [" ".join(name.split()) for name in names]
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*words, strict=False))
    common = "".join(letters[0] for letters in alike).rfind(" ") + 1
    ways = (
        [_start(word) for word in words],
        [_start(f"…{word[common:]}") for word in words],
        [_ends(word) for word in words],
    )
    return distinct(next((way for way in ways if len(set(way)) == len(way)), ways[-1]))


def _width(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _fitting(text: str, room: int) -> str:
    """The longest start of a text that is no wider."""
    return next(text[:end] for end in range(len(text), -1, -1) if _width(text[:end]) <= room)


def _start(text: str) -> str:
    return text if _width(text) <= ROOM else f"{_fitting(text, ROOM - 1)}…"


def _ends(text: str) -> str:
    if _width(text) <= ROOM:
        return text
    return f"{_fitting(text, ROOM // 2)}…{_fitting(text[::-1], ROOM // 2 - 1)[::-1]}"
