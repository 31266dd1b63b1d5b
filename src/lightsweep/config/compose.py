"""A configuration from overrides, without the command line: for notebooks, tests and other programs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import hydra
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from lightsweep import paths
from lightsweep.config.check import check
from lightsweep.config.command_words import command_words
from lightsweep.config.explanation import COMPOSITION_ERRORS, explain
from lightsweep.config.hydra_patches import prepare_hydra
from lightsweep.config.override_text import texts
from lightsweep.errors import ConfigError
from lightsweep.process_state import ProcessLock

HYDRA = ProcessLock()
"""Held by whoever uses Hydra's state, of which there is one in a process; another thread waits."""


def compose(overrides: Sequence[str] = ()) -> DictConfig:
    """The configuration that `python train.py <overrides>` would run.

    Args:
        overrides: as on the command line, such as `["model=mlp", "optimizer.lr=0.1"]` or `["experiment=best.yaml"]`.

    Raises:
        ConfigError: an override that does not fit.
    """
    words = command_words(texts(overrides))
    with composing():
        cfg = hydra.compose("train", overrides=words)
    check(cfg)
    return cfg


@contextmanager
def composing() -> Iterator[None]:
    """Let `hydra.compose` find lightsweep's groups, and those of the user's own `conf/`; other threads wait.

    Raises:
        ConfigError: what Hydra and OmegaConf raise within, in one line.
    """
    with HYDRA.of_this_process():
        prepare_hydra()
        if GlobalHydra.instance().is_initialized():
            GlobalHydra.instance().clear()
        try:
            with initialize_config_dir(str(paths.conf_dir()), version_base="1.3"):
                yield
        except COMPOSITION_ERRORS as error:
            raise ConfigError(explain(error)) from error
