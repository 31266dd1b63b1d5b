"""Hydra's composition: made quicker, and what went wrong in it said in one line, with the nearest name there is."""

from functools import cache
from typing import Any

import yaml
from hydra._internal.config_repository import IConfigRepository
from hydra._internal.defaults_list import Overrides
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from lightsweep.config.check import nearest
from lightsweep.config.passwords import masked


@cache
def prepare_hydra() -> None:
    """Make Hydra of this process quicker, and have it refuse choices that are no names in a word that can be told."""
    _share_config_store()
    _refuse_odd_choices()


def _share_config_store() -> None:
    """Let Hydra's repositories share the one store of structured configs instead of copying it.

    `--help` asks for a repository some hundred times, and each copied the configs of all installed plugins: 0.6 s. The
    store hands out copies of its nodes, so nobody writes into it.
    """
    ConfigStore.__deepcopy__ = lambda self, memo: self  # type: ignore[attr-defined]


def _refuse_odd_choices() -> None:
    """Refuse `optimizer=null` and the like before Hydra meets them, for it would raise what bugs raise too."""
    original = Overrides.__init__

    def checked(self: Overrides, repo: IConfigRepository, overrides_list: list[Override]) -> None:
        for override in overrides_list:
            if not override.key_or_group:
                raise ConfigCompositionException(f"`{override.input_line}` names no key before its `=`")
            if not override.is_sweep_override() and repo.group_exists(override.key_or_group):
                _refuse_odd_choice(repo, override)
        original(self, repo, overrides_list)

    Overrides.__init__ = checked  # type: ignore[method-assign]


def _refuse_odd_choice(repo: IConfigRepository, override: Override) -> None:
    value: Any = override.value()
    if isinstance(value, dict) or (override.is_delete() and value is None):
        return
    if all(isinstance(name, str) for name in (value if isinstance(value, list) else [value])):
        return
    options = ", ".join(repo.get_group_options(override.key_or_group))
    raise ConfigCompositionException(
        f"`{override.input_line}`: `{override.key_or_group}` is chosen by name; there are {options}"
    )


COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, yaml.YAMLError)
"""What composing raises where the user's words or files are wrong."""


def explain(error: Exception) -> str:
    """One line for one of the `COMPOSITION_ERRORS`; of a URL in it the password is left out."""
    given = str(error.override).partition("=")[2].strip("'\"") if isinstance(error, OverrideParseException) else None
    return masked(_explained(error), given)


def _explained(error: Exception) -> str:
    if isinstance(error, yaml.YAMLError):
        return f"a configuration file is no YAML: {' '.join(str(error).split())}"
    if isinstance(error, MissingConfigException) and error.options:
        group, _, choice = (error.missing_cfg_file or "").rpartition("/")
        options = list(error.options)
        return f"`{group}` must be one of {', '.join(options)} but got {choice!r}{nearest(choice, options)}"
    if isinstance(error, OverrideParseException):
        lines = [line for line in str(error).splitlines() if not line.startswith(("Error parsing", "See "))]
        quotes = "" if str(error.override).isascii() else "; Hydra wants letters beyond ASCII in quotes: \"key='…'\""
        return f"`{error.override}` is no override like key=value: {' '.join(' '.join(lines).split())}{quotes}"
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    if isinstance(cause, (ConfigAttributeError, ConfigKeyError)):
        return _unknown_key(cause)
    # a value of another type than a plugin's typed config has
    if isinstance(cause, OmegaConfBaseException) and cause is not error and cause.full_key:
        return f"`{cause.full_key}`: {str(cause).splitlines()[0]}"
    text = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    return text or type(error).__name__


def _unknown_key(error: OmegaConfBaseException) -> str:
    key, known = str(error.key), []
    if isinstance(error.parent_node, DictConfig):
        known = [str(name) for name in error.parent_node]
    return f"`{error.full_key or key}` is no known key{nearest(key, known) or _listed(known)}"


def _listed(known: list[str]) -> str:
    return f"; known here: {', '.join(known)}" if known else ""
