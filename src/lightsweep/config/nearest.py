"""The name that somebody may have meant, for messages about one that is not known."""

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], likeness: float = 0.5) -> str:
    """A hint that names the known word nearest to `word`, whatever their case, or an empty text.

    Args:
        word: what somebody wrote.
        known: what it may be.
        likeness: how like each other the two must be, in [0, 1].
    """
    spellings: dict[str, str] = {}
    for each in known:
        spellings.setdefault(each.casefold(), each)
    close = difflib.get_close_matches(word.casefold(), list(spellings), n=1, cutoff=likeness)
    return f"; did you mean {spellings[close[0]]!r}?" if close else ""


def nearest_metric(name: str, known: Iterable[str]) -> str:
    """As `nearest`, among those that are near in what comes after the slash: that both begin with `val/` is nothing."""
    word = name.rpartition("/")[2]
    return nearest(name, [each for each in known if nearest(word, [each.rpartition("/")[2]])])
