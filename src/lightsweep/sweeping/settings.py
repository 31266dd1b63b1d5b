"""From the sweeper's configuration to a checked plan: every mistake that can be seen before a trial is named here."""

import logging
import math
import time
import uuid
from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, get_args

from hydra.core.config_loader import ConfigLoader
from hydra.utils import get_method
from omegaconf import DictConfig, ListConfig, OmegaConf

from hydra_plugins.lightsweep_optuna.config import OptunaSweeperConf, RerunBestConf
from lightsweep.config.nearest import nearest
from lightsweep.config.own import is_own
from lightsweep.config.targets import absence
from lightsweep.errors import ConfigError, one_line
from lightsweep.sweeping.algorithms import (
    check_decides,
    check_draws,
    is_exhaustive,
    is_grid,
    make_pruner,
    make_sampler,
    prunes,
)
from lightsweep.sweeping.grammar import bare
from lightsweep.sweeping.own_check import check_own, own_directions
from lightsweep.sweeping.owner import Owner
from lightsweep.sweeping.plan import Plan, RerunSettings
from lightsweep.sweeping.space import Direction, Space, build_space, grid_size
from lightsweep.sweeping.space_check import check_composition, configured_seed, configured_values
from lightsweep.sweeping.storage import storage_spec

DEFAULT_STUDY = "sweep"


def make_plan(settings: Mapping[str, Any], config: DictConfig, loader: ConfigLoader, arguments: list[str]) -> Plan:
    """Check the sweeper's settings and gather them.

    Args:
        settings: the fields of `OptunaSweeperConf`, or those of the official sweeper's configuration.
        config: the sweep's whole configuration.
        loader: composes trial configurations for the checks.
        arguments: the command line's task overrides.

    Raises:
        ConfigError: with the setting, what it must be and what it was.
    """
    given = {key: _plain(value) for key, value in settings.items()}
    _refuse_unknown("hydra.sweeper", given, OptunaSweeperConf)
    if is_own(loader):
        _check_subdir(config)
    asks = is_own(loader) and given.get("direction") is None
    directions = _directions(given.get("direction"), own_directions(config) if asks else ["minimize"])
    space = build_space(given.get("params"), given.get("search_space"), arguments, loader)
    custom = given.get("custom_search_space")
    if not any(True for _ in space.every_parameter()) and custom is None:
        advice = _advice_for_packages(config) or "name parameters in `hydra.sweeper.params` or on the command line"
        raise ConfigError(f"nothing is searched; {advice}")
    sampler, pruner = _algorithms(given, space, directions)
    n_trials = _integer(given, "n_trials", 1, 20)
    timeout_s = _positive(given, "timeout_s")
    conditions = configured_values(space, config, loader)
    check_draws(sampler, space, directions, conditions.get)
    _check_monitor(config)
    searched = {bare(parameter.key) for parameter in space.every_parameter()}
    own = partial(check_own, directions=directions, searched=searched, sweeps=config)
    judge = own if is_own(loader) and custom is None else None
    composed = check_composition(space, config, loader, conditions, judge)
    rerun = _rerun(given, directions)
    seed = _seed(space, composed, rerun)
    folder = Path(str(config.hydra.sweep.dir)).absolute()
    return Plan(
        study_name=_study_name(given),
        storage=storage_spec(given.get("storage"), folder),
        folder=folder,
        directions=directions,
        sampler=sampler,
        pruner=pruner,
        space=space,
        n_trials=min(n_trials, grid_size(space)) if is_grid(sampler) else n_trials,
        conditions=conditions,
        max_failure_rate=_rate(given),
        retry_failed=_integer(given, "retry_failed", 0, 0),
        max_kills=_integer(given, "max_kills", 1, 5),
        remote_timeout_s=_positive(given, "remote_timeout_s"),
        sweep=uuid.uuid4().hex[:12],
        host=Owner.here().host,
        deadline=None if timeout_s is None else time.time() + timeout_s,
        custom_search_space=_callable(given, "custom_search_space"),
        constraints=_callable(given, "constraints"),
        rerun=rerun,
        live=given.get("live") is not False,
        seed=seed,
    )


def job_shares(settings: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """How the trials are dealt to jobs: the most jobs at once (None: no limit) and the trials of a job (None: all)."""
    given = {key: _plain(value) for key, value in settings.items()}
    share = _integer(given, "trials_per_job", 1, 1)
    if given.get("n_jobs") is None:
        return None, share
    return _integer(given, "n_jobs", 1, 1), None


def enqueued(settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The settings to try first."""
    given = _plain(settings.get("enqueue")) or []
    if not isinstance(given, list) or not all(isinstance(each, Mapping) for each in given):
        raise ConfigError(f"`hydra.sweeper.enqueue` must be a list of mappings but got {given!r}")
    return given


def _refuse_unknown(name: str, given: Mapping[str, Any], known: type) -> None:
    """Refuse what a `+` has added: Hydra itself knows the keys."""
    names = [field.name for field in fields(known)]
    for key in given:
        if key not in names:
            raise ConfigError(f"`{name}.{key}` is no known key{nearest(str(key), names)}")


def _plain(value: Any) -> Any:
    if isinstance(value, DictConfig | ListConfig):
        return OmegaConf.to_container(value, resolve=True)
    return value


def _directions(given: Any, default: list[str]) -> tuple[Direction, ...]:
    several = default if given is None else given if isinstance(given, list | tuple) else [given]
    words: Any = tuple(str(each.name if isinstance(each, Enum) else each).lower() for each in several)
    if not words or set(words) - set(get_args(Direction)):
        raise ConfigError(
            f"`hydra.sweeper.direction` must be minimize or maximize, or a list of them, but got {given!r}"
        )
    return words


def _algorithms(
    given: Mapping[str, Any], space: Space, directions: tuple[Direction, ...]
) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
    """The nodes of sampler and pruner, both of which can be made, and are of use for this space."""
    sampler = given.get("sampler") or {"_target_": "optuna.samplers.TPESampler"}
    pruner = given.get("pruner") or None
    for kind, node in (("sampler", sampler), ("pruner", pruner)):
        if node is not None and not isinstance(node, Mapping):
            raise ConfigError(
                f"`hydra.sweeper.{kind}` must be a mapping with a _target_ but got {node!r}; "
                f"one is chosen by name as hydra/sweeper/{kind}=NAME"
            )
    make_sampler(sampler, space)
    make_pruner(pruner)
    check_decides(pruner)
    if len(directions) > 1 and prunes(pruner):
        raise ConfigError("`hydra.sweeper.pruner` works with one direction only; set hydra/sweeper/pruner=none")
    if is_exhaustive(sampler):
        for parameter in space.every_parameter():
            parameter.grid()
    return sampler, pruner


def _advice_for_packages(config: DictConfig) -> str:
    """What to do where a file's `hydra` lies within its group, so that Hydra does not see it; else an empty text."""
    nodes = {str(key): config._get_node(key) for key in config if key != "hydra"}
    group = next((key for key, node in nodes.items() if isinstance(node, DictConfig) and "hydra" in node), None)
    return f"`hydra` lies within `{group}`: begin the file with the line `# @package _global_`" if group else ""


def _check_monitor(config: DictConfig) -> None:
    monitor = OmegaConf.select(config, "monitor")
    for name in monitor if isinstance(monitor, ListConfig) else [monitor]:
        if str(name).startswith("test/"):
            raise ConfigError(f"`monitor` is {name}: a sweep must not choose by the test set; monitor a val/ metric")


def _check_subdir(config: DictConfig) -> None:
    """Refuse one folder for all trials: a run replaces the one that it finds, or fails while another writes it."""
    if not OmegaConf.is_interpolation(config.hydra.sweep, "subdir"):
        raise ConfigError(
            f"`hydra.sweep.subdir` must name a folder for each trial, as ${{hydra.job.num}} does, "
            f"but is {config.hydra.sweep.subdir!r}"
        )


def _study_name(given: Mapping[str, Any]) -> str | None:
    name = given.get("study_name")
    if name is None and given.get("storage") is None:
        return DEFAULT_STUDY
    return None if name is None else str(name)


def _integer(given: Mapping[str, Any], key: str, least: int, default: int) -> int:
    value = default if given.get(key) is None else given[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"`hydra.sweeper.{key}` must be a whole number of at least {least} but got {value!r}")
    return value


def _positive(given: Mapping[str, Any], key: str) -> float | None:
    value = given.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ConfigError(f"`hydra.sweeper.{key}` must be a finite number above 0 but got {value!r}; null is no limit")
    return float(value)


def _rate(given: Mapping[str, Any]) -> float:
    value = given.get("max_failure_rate")
    value = 0.5 if value is None else value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ConfigError(f"`hydra.sweeper.max_failure_rate` must be between 0 and 1 but got {value!r}")
    return float(value)


def _rerun(given: Mapping[str, Any], directions: tuple[Direction, ...]) -> RerunSettings:
    node = given.get("rerun_best") or {}
    if not isinstance(node, Mapping):
        raise ConfigError(f"`hydra.sweeper.rerun_best` must have the keys seeds, top and seed_key but is {node!r}")
    _refuse_unknown("hydra.sweeper.rerun_best", node, RerunBestConf)
    named = {f"rerun_best.{key}": value for key, value in node.items()}
    settings = RerunSettings(
        _integer(named, "rerun_best.seeds", 0, 0),
        _integer(named, "rerun_best.top", 1, 1),
        str(node.get("seed_key") or "seed"),
    )
    if settings.seeds and len(directions) > 1:
        raise ConfigError("`hydra.sweeper.rerun_best` works with one direction only; set its seeds to 0")
    return settings


def _seed(space: Space, composed: DictConfig, rerun: RerunSettings) -> int | None:
    """The configuration's own seed, see `Plan`; refused where it is none that the re-runs could set."""
    has_seed, seed = configured_seed(space, composed, rerun.seed_key)
    if rerun.seeds and not has_seed:
        raise ConfigError(
            f"`hydra.sweeper.rerun_best.seed_key` is {rerun.seed_key}, which the configuration does not have"
        )
    if rerun.seeds and type(value := OmegaConf.select(composed, rerun.seed_key)) not in (int, type(None)):
        shown = f"has {value!r}" if isinstance(value, int | float | str) else "is a group of keys"
        raise ConfigError(f"`hydra.sweeper.rerun_best.seed_key` must name a whole number but {rerun.seed_key} {shown}")
    return seed


def _callable(given: Mapping[str, Any], key: str) -> str | None:
    path = given.get(key)
    if path is None:
        return None
    log = logging.getLogger("hydra.utils")  # which would print the error a second time
    silent, log.disabled = log.disabled, True
    try:
        get_method(str(path))
    except Exception as error:
        reason = absence(str(path), error.__cause__ or error) or one_line(error)
        raise ConfigError(
            f"`hydra.sweeper.{key}` must be the dotted path of a function but {path} cannot be loaded: {reason}"
        ) from error
    finally:
        log.disabled = silent
    return str(path)
