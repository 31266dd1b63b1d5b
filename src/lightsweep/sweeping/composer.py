"""Composes the configurations of a sweep's tasks: by Hydra, or in a twentieth of its time where only values differ.

Hydra merges every file for each task, which takes 70 ms; trials of most spaces differ in values alone. So what they
share is composed once, and a trial's values are set in a copy of it, by Hydra's own functions. A setting that chooses
from a config group changes which files are read, and goes the long way.
"""

import os
import pickle
from collections.abc import Sequence

import cloudpickle
from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from lightsweep.sweeping.config_keys import is_group
from lightsweep.sweeping.grammar import bare
from lightsweep.sweeping.space import Space
from lightsweep.sweeping.space_check import group_choices


class Composer:
    """Picklable, as a job carries it to its process.

    Args:
        space: what is searched.
        config: the sweep's configuration.
        loader: Hydra's.
        more_values: further keys, as overrides write them, that tasks set and that are no config groups.

    Attributes:
        job_overrides: with which the job around a task composes, whose own settings are not known before it starts: the
            fixed ones, and group choices only where it does not compose without.
    """

    def __init__(self, space: Space, config: DictConfig, loader: ConfigLoader, more_values: Sequence[str] = ()) -> None:
        self.config, self.loader = config, loader
        self.fixed = [line for _, line in space.fixed]
        keys = {parameter.key for parameter in space.every_parameter()}
        keys |= {line.partition("=")[0] for _, line in space.every_fixed()}
        self.values = {key for key in keys if _is_value(key, config, loader)} | set(more_values)
        self._base: bytes | None = None  # a copy is made by unpickling, in a third of deepcopy's time
        self.job_overrides = list(self.fixed)
        try:
            base = loader.load_sweep_config(config, self.fixed)
        except (HydraException, OmegaConfBaseException):
            self.job_overrides += group_choices(space, config, loader)
            return
        if not base.hydra.job.env_copy:  # it tells of the process that composes
            self._base = cloudpickle.dumps(base)  # the program itself may have classes in it

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """The configuration that `load_sweep_config` gives for these task overrides."""
        count, lines = len(self.fixed), list(overrides)
        varied = {line.partition("=")[0] for line in lines[count:]}
        if self._base is None or lines[:count] != self.fixed or not varied <= self.values:
            return self.loader.load_sweep_config(self.config, lines)
        return self._with_values(pickle.loads(self._base), lines)

    def _with_values(self, config: DictConfig, lines: list[str]) -> DictConfig:
        """The end of Hydra 1.3's `_load_configuration_impl`, from where the files are merged."""
        parsed = OverridesParser.create().parse_overrides(lines)
        ConfigLoaderImpl._apply_overrides_to_config(parsed[len(self.fixed) :], config)
        dirname = config.hydra.job.config.override_dirname
        own = [override for override in parsed if not override.is_hydra_override()]
        with open_dict(config.hydra):
            config.hydra.overrides.task.extend(lines[len(self.fixed) :])
            config.hydra.runtime.cwd = os.getcwd()
            config.hydra.job.override_dirname = get_overrides_dirname(
                own, kv_sep=dirname.kv_sep, item_sep=dirname.item_sep, exclude_keys=dirname.exclude_keys
            )
        return config


def _is_value(key: str, config: DictConfig, loader: ConfigLoader) -> bool:
    name = bare(key)
    if key.startswith("~") or "@" in key or "/" in key or name.partition(".")[0] == "hydra":
        return False
    return not is_group(key, config, loader)
