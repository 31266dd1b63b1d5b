"""What a sweep's configuration has: its config groups with their options, and its keys. Hydra is asked."""

from functools import cache
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf

from lightsweep.config.dotted import keys
from lightsweep.sweeping.grammar import bare


def is_group(key: str, config: DictConfig, loader: ConfigLoader) -> bool:
    """Whether an override's key is a config group, on the whole search path of this configuration."""
    return bool(options_of(key, config, loader))


def options_of(key: str, config: DictConfig, loader: ConfigLoader) -> tuple[str, ...]:
    """A config group's options; none where the key is no group."""
    name = bare(key).partition("@")[0]
    return _listed(name, loader, config.hydra.job.config_name, tuple(hydra_overrides(config)))


@cache
def _listed(
    group: str, loader: ConfigLoader, config_name: str | None, hydra_overrides: tuple[str, ...]
) -> tuple[str, ...]:
    """Asked once for each group: Hydra reads the main configuration anew to answer, 20 ms."""
    return tuple(loader.get_group_options(group, None, config_name, list(hydra_overrides)))


def hydra_overrides(config: DictConfig) -> list[str]:
    """The command line's overrides of Hydra's own settings, as they were written.

    Each element of the list would be resolved when it is looked at: what an interpolation stands for is no override's
    text, may be a password, and may be known in a trial only.
    """
    lines = OmegaConf.to_container(config.hydra.overrides.hydra, resolve=False)
    assert isinstance(lines, list)
    return [str(line) for line in lines]


def task_part(config: DictConfig) -> dict[str, Any]:
    """The configuration without Hydra's own node, not resolved."""
    container = OmegaConf.to_container(config, resolve=False)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items() if key != "hydra"}


def keys_of(config: DictConfig) -> list[str]:
    """Every dotted key of the task's configuration."""
    return list(keys(task_part(config)))
