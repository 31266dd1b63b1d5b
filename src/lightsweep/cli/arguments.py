"""The `key=value` arguments of the commands that Hydra does not compose."""

import sys
from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf

from lightsweep.config.check import nearest
from lightsweep.errors import ConfigError


def arguments(known: set[str], words: Sequence[str] | None = None) -> dict[str, Any]:
    """The arguments of the command line.

    Args:
        known: the keys that there are.
        words: the arguments; None for all of this process.

    Raises:
        ConfigError: a key that is not known; the nearest is named.
    """
    given = {
        str(key): value for key, value in OmegaConf.from_cli(list(sys.argv[1:] if words is None else words)).items()
    }
    for key in given:
        if key not in known:
            raise ConfigError(f"`{key}` is no known key{nearest(key, known)}")
    return given
