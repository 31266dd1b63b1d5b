"""What a run's folder says of it: configuration and result. Only allowed targets are ever built from it."""

import json
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lightsweep.errors import RunFolderError
from lightsweep.paths import RunPaths


def read_config(paths: RunPaths) -> DictConfig:
    """A run's resolved configuration.

    Raises:
        RunFolderError: the folder has none, or it is damaged.
    """
    if not paths.config.is_file():
        raise RunFolderError(f"{paths.folder} is no run folder: it has no {paths.config.name}")
    try:
        cfg = OmegaConf.load(paths.config)
    except (yaml.YAMLError, OmegaConfBaseException, UnicodeDecodeError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RunFolderError(f"{paths.config} is damaged: {reason}") from None
    if not isinstance(cfg, DictConfig):
        raise RunFolderError(f"{paths.config} is damaged: it holds no keys")
    return cfg


def read_result(paths: RunPaths) -> dict[str, Any]:
    """What `result.json` holds.

    Raises:
        RunFolderError: no such file, or one that is no JSON object.
    """
    try:
        values = json.loads(paths.result.read_text(encoding="utf-8"))
    except OSError:
        raise RunFolderError(f"{paths.folder} is no run folder: it has no {paths.result.name}") from None
    except ValueError as error:
        raise RunFolderError(f"{paths.result} is damaged: {error}") from None
    if not isinstance(values, dict):
        raise RunFolderError(f"{paths.result} is damaged: it holds no JSON object")
    return values
