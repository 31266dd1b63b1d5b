"""Keys that go by another name now: the old one works for at least one minor version, and says so."""

import sys
from collections.abc import Sequence
from functools import cache

from omegaconf import DictConfig, OmegaConf

RENAMED: dict[str, str] = {}
"""An old key or group with dots, and its new name; what lies below a renamed group goes with it."""
GONE = {"optuna.samplers.MOTPESampler": ("optuna.samplers.TPESampler", {"n_ehvi_candidates": "n_ei_candidates"})}
"""A class that its package has no longer; what does its work, and the new names of its arguments."""


def renew_words(words: Sequence[str]) -> list[str]:
    """Overrides with new names for old ones.

    Args:
        words: `key=value`, `+key=value` or `~key`; all else stays as it is.
    """
    return [_renewed(word) for word in words]


def renew_config(cfg: DictConfig) -> None:
    """Move the values of old keys to their new names, in place; one that has its new name already stays."""
    for old, new in RENAMED.items():
        above, _, name = old.rpartition(".")
        holder = OmegaConf.select(cfg, above) if above else cfg
        if not isinstance(holder, DictConfig) or name not in holder:
            continue
        _tell(old, new)
        value = holder.pop(name)
        if OmegaConf.select(cfg, new) is None:
            OmegaConf.update(cfg, new, value, force_add=True)


def _renewed(word: str) -> str:
    key = word.lstrip("+~").partition("=")[0]
    for old, new in RENAMED.items():
        if key == old or key.startswith((f"{old}.", f"{old}/", f"{old}@")):
            _tell(old, new)
            start = word.index(key)
            return word[:start] + new + word[start + len(old) :]
    return word


@cache
def _tell(old: str, new: str) -> None:
    print(f"warning: `{old}` is called `{new}` now; the old name will go", file=sys.stderr)
