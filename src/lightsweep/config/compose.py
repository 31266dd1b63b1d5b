"""A configuration from overrides, without the command line: for notebooks, tests and other programs."""

from collections.abc import Sequence

import hydra
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from lightsweep import paths
from lightsweep.config.check import check
from lightsweep.config.composition import explain
from lightsweep.errors import ConfigError


def compose(overrides: Sequence[str] = ()) -> DictConfig:
    """The configuration that `python train.py <overrides>` would run.

    Args:
        overrides: as on the command line, such as `["model=mlp", "optimizer.lr=0.1"]`.

    Raises:
        ConfigError: an override that does not fit.
    """
    if GlobalHydra.instance().is_initialized():
        GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(paths.conf_dir()), version_base="1.3"):
            cfg = hydra.compose("train", overrides=list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error)) from error
    check(cfg)
    return cfg
