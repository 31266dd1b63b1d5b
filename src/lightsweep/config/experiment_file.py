"""`experiment=<file>.yaml`: an experiment that lies anywhere, such as a sweep's `best.yaml`, as plain overrides."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from lightsweep.config.override_text import override_text
from lightsweep.errors import ConfigError


def expand_experiment(arguments: Sequence[str]) -> list[str]:
    """Put an experiment file's choices and values in the place of its argument; what comes later wins over it.

    Args:
        arguments: the command line; those that name no file stay as they are.

    Raises:
        ConfigError: a file that is not there or is no experiment.
    """
    found: list[str] = []
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key == "experiment" and value.endswith((".yaml", ".yml")):
            found.extend(overrides_of(Path(value)))
        else:
            found.append(argument)
    return found


def overrides_of(path: Path) -> list[str]:
    """An experiment file as overrides: its `override /group: choice` lines first, then its values."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"`experiment={path}` cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"`experiment={path}` is no YAML file: {str(error).splitlines()[0]}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"`experiment={path}` is no experiment: it holds no keys")
    defaults = content.pop("defaults", [])
    choices = [pair for item in defaults if isinstance(item, dict) for pair in item.items()]
    groups = [
        f"{str(group).removeprefix('override').strip().lstrip('/')}={override_text(choice)}"
        for group, choice in choices
    ]
    return groups + [f"{key}={override_text(value)}" for key, value in _leaves(content)]


def _leaves(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
