"""What a run's folder says of it: configuration and result.

The folder may be a stranger's, so its configuration gets no say in what is trusted: only allowed targets are ever built
from it, it takes nothing from this machine's environment, and it names no place outside for its loggers and callbacks.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lightsweep.config.check import WHOLE
from lightsweep.config.dotted import is_within, leaves
from lightsweep.config.explanation import explain
from lightsweep.config.override_text import override_text
from lightsweep.config.places import leads_outside
from lightsweep.config.renamed import renew_config, renew_words
from lightsweep.errors import ConfigError, RunFolderError, lines_of
from lightsweep.paths import RunPaths


def read_config(paths: RunPaths, changes: Sequence[str] = ()) -> DictConfig:
    """A run's resolved configuration.

    Args:
        paths: the run's files.
        changes: `key=value`, from the command line and so trusted. `trust` is taken from these alone.

    Raises:
        RunFolderError: the folder has none, it is damaged, or what it says must be said again to be trusted.
        ConfigError: a change that does not fit.
    """
    cfg = _saved(paths)
    changes = renew_words(changes)
    given = [change.partition("=")[0] for change in changes]
    for key, value in leaves(OmegaConf.to_container(cfg)):
        if isinstance(value, str) and "${" in value:
            raise RunFolderError(f"{paths.config} is damaged: `{key}` is {value!r}, but a run's values are resolved")
        if not is_within(key, given) and leads_outside(key, value, paths.folder):
            again = override_text(value)
            raise RunFolderError(
                f"`{key}` of {paths.config} leads out of this folder: if that is right, say it again: {key}={again}"
            )
    if "trust" in cfg:
        cfg.trust = []
    try:
        OmegaConf.set_struct(cfg, True)
        _refuse_choices(cfg, changes)
        cfg.merge_with_dotlist(list(changes))
    except (OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
        line = explain(error) if isinstance(error, OmegaConfBaseException) else lines_of(error)[0]
        raise ConfigError(line) from None
    return cfg


def _refuse_choices(cfg: DictConfig, changes: Sequence[str]) -> None:
    """Refuse `trainer=ddp` and `metrics=[f1]`: a run's configuration has no groups to choose from any more."""
    for change in changes:
        key, _, text = change.partition("=")
        if key in WHOLE:
            raise ConfigError(f"`{change}` chooses what a run begins with: give single keys, as trainer.max_epochs=20")
        if OmegaConf.is_dict(OmegaConf.select(cfg, key)) and isinstance(yaml.safe_load(text), str | list):
            raise ConfigError(f"`{change}` chooses anew what the run has: give single keys, as {key}.<key>=<value>")


def read_finished(paths: RunPaths, trust: Sequence[str]) -> DictConfig:
    """A run's configuration for using what it came to: without its loggers and callbacks, in one process.

    Also on a machine that lacks the run's devices; one that was told to train on its CPU stays there.

    Args:
        paths: the run's files.
        trust: as in a configuration.

    Raises:
        RunFolderError: see `read_config`.
        ConfigError: `trust` is no list.
    """
    if isinstance(trust, str) or not isinstance(trust, Iterable):
        raise ConfigError(f"`trust` must be a list like [my_package] but got {trust!r}")
    cfg = read_config(paths, [f"trust={override_text(list(trust))}", "logger=null", "callbacks=null"])
    cfg.callbacks = {}
    accelerator = "cpu" if cfg.trainer.accelerator == "cpu" else "auto"
    alone = {"devices": 1, "num_nodes": 1, "strategy": "auto", "accelerator": accelerator, "cuda_graph": None}
    OmegaConf.update(cfg, "trainer", alone)
    return cfg


def saved_values(paths: RunPaths) -> Any:
    """A run's configuration as it was written: plain data, which nothing is to be built from.

    Raises:
        RunFolderError: the folder has none, or it is damaged.
    """
    return OmegaConf.to_container(_saved(paths))


def _saved(paths: RunPaths) -> DictConfig:
    if not paths.config.is_file():
        raise RunFolderError(f"{paths.folder} is no run folder: it has no {paths.config.name}")
    try:
        cfg = OmegaConf.load(paths.config)
    except (yaml.YAMLError, OmegaConfBaseException, ValueError, RecursionError, OSError) as error:
        raise RunFolderError(f"{paths.config} is damaged: {lines_of(error)[0]}") from None
    if not isinstance(cfg, DictConfig):
        raise RunFolderError(f"{paths.config} is damaged: it holds no keys")
    renew_config(cfg)
    return cfg


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Turn what reading a file raises where it does not hold what it should into a RunFolderError that names it."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, csv.Error, yaml.YAMLError) as error:
        raise RunFolderError(f"{path} is damaged: {lines_of(error)[0]}") from None


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
