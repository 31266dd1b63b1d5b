"""The `key=value` arguments of the commands that Hydra does not compose."""

import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from lightsweep.config.nearest import nearest
from lightsweep.errors import ConfigError

_NO_TEXT = ("trust", "target")
"""Keys of which the value is a list or a number; all others name folders, files and such, to the letter."""


def arguments(known: Collection[str], words: Sequence[str] | None = None) -> dict[str, Any]:
    """The arguments of the command line; of a key without a value, None.

    Args:
        known: the keys that there are.
        words: the arguments; None for all of this process.

    Raises:
        ConfigError: a key that is not known; the nearest is named.
    """
    given: dict[str, Any] = {}
    for word in sys.argv[1:] if words is None else words:
        key, _, text = word.partition("=")
        if key not in known:
            raise ConfigError(f"`{key}` is no known key{_run_of(word, known) or nearest(key, known)}")
        given[key] = OmegaConf.from_cli([word])[key] if key in _NO_TEXT else text or None
    return given


def _run_of(word: str, known: Collection[str]) -> str:
    """A hint where a word is but a folder, and the command takes one."""
    return f"; did you mean run={word}?" if "run" in known and Path(word).is_dir() else ""
