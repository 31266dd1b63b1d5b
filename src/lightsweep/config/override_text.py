"""Values as text that Hydra's override grammar reads back as the same values."""

import re
from collections.abc import Sequence
from typing import Any

from lightsweep.errors import ConfigError

_PLAIN_WORD = re.compile(r"[A-Za-z_][\w.\-/]*")
_SPECIAL_WORDS = {"true", "false", "null", "nan", "inf"}


def override_text(value: Any) -> str:
    """A value in Hydra's override grammar; a string that would be read as something else is quoted.

    Args:
        value: None, a boolean, a number, a string, or a list or mapping of such.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        if _PLAIN_WORD.fullmatch(value) and value.lower() not in _SPECIAL_WORDS:
            return value
        escaped = re.sub(r"(\\*)'", r"\1\1\\'", value)
        escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
        return f"'{escaped}'"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(override_text(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{override_text(item)}" for key, item in value.items()) + "}"
    return repr(value)


def texts(overrides: Sequence[str]) -> list[str]:
    """Overrides from Python, where a single text is easily taken for a list of them.

    Raises:
        ConfigError: a single text, or what is none.
    """
    several = isinstance(overrides, Sequence) and not isinstance(overrides, str)
    if not several or not all(isinstance(word, str) for word in overrides):
        raise ConfigError(f'overrides must be a list of texts like ["model=mlp"] but got {overrides!r}')
    return list(overrides)
