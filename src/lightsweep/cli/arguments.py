"""The `key=value` arguments of the commands that Hydra does not compose."""

import sys
from typing import Any

from omegaconf import OmegaConf

from lightsweep.config.check import nearest
from lightsweep.errors import ConfigError


def arguments(known: set[str]) -> dict[str, Any]:
    """The arguments of the command line.

    Raises:
        ConfigError: a key that is not known; the nearest is named.
    """
    given = {str(key): value for key, value in OmegaConf.from_cli(sys.argv[1:]).items()}
    for key in given:
        if key not in known:
            raise ConfigError(f"`{key}` is no known key{nearest(key, known)}")
    return given
