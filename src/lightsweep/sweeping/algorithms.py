"""Samplers and pruners from their configuration nodes: a `_target_` with its arguments, as the official one has them.

Every job makes its own sampler, so a seed is spread over trials: the same seed in each job would draw the same values.
"""

import importlib.util
import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import optuna
from hydra.utils import get_class
from numpy.random import SeedSequence
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import BaseSampler
from optuna.trial import create_trial

from lightsweep.config.renamed import GONE
from lightsweep.errors import ConfigError, one_line
from lightsweep.imports import how_to_install
from lightsweep.sweeping.space import Direction, Lookup, Space, grid_of

_PACKAGES = {
    "optuna.samplers.CmaEsSampler": ("cmaes",),
    "optuna.samplers.GPSampler": ("scipy",),
    "optuna.samplers.QMCSampler": ("scipy",),
    "optuna.pruners.WilcoxonPruner": ("scipy",),
}
_STARTS_AT_RANDOM = ("optuna.samplers.TPESampler", "optuna.samplers.CmaEsSampler")
# The whole sweep must agree on the order of these, so their seed is never spread over trials.
_ONE_SEED = ("optuna.samplers.GridSampler", "optuna.samplers.QMCSampler")
# Spelt out in many configurations at what Optuna now always does; passing them only brings a warning.
_FORMER_DEFAULTS = {
    "consider_prior": True,
    "prior_weight": 1.0,
    "consider_magic_clip": True,
    "consider_endpoints": False,
    "warn_independent_sampling": True,
    "restart_strategy": None,
    "inc_popsize": 2,
    "constraints_func": None,
}


def make_sampler(node: Mapping[str, Any], space: Space, trial_index: int | None = None) -> BaseSampler:
    """The sampler of one job.

    Args:
        node: `_target_` and arguments; None stands for the sampler's own default.
        space: for the grid, and to draw conditional spaces group by group.
        trial_index: with `seed`, fixes this trial's draws; None for a check only.

    Raises:
        ConfigError: an unknown sampler or argument, or a package is missing.
    """
    target, arguments = _target_and_arguments(node, "sampler")
    seed = arguments.get("seed")
    trial_seed = None if seed is None or trial_index is None else _spread(int(seed), trial_index)
    if target == "optuna.samplers.GridSampler":
        arguments["search_space"] = grid_of(space)
    elif target == "optuna.samplers.TPESampler" and space.branches and arguments.get("multivariate") is not False:
        if arguments.setdefault("group", True):
            arguments.setdefault("multivariate", True)  # or Optuna warns, where there are several objectives
    elif target == "optuna.samplers.QMCSampler":
        arguments.setdefault("independent_sampler", optuna.samplers.RandomSampler(seed=trial_seed))
        arguments.setdefault("warn_asynchronous_seeding", False)
    if target not in _ONE_SEED and trial_seed is not None:
        arguments["seed"] = trial_seed
    sampler = _call(target, arguments, "sampler")
    if not isinstance(sampler, BaseSampler):
        raise ConfigError(f"`hydra.sweeper.sampler` {target} is no Optuna sampler")
    return sampler


def check_draws(node: Mapping[str, Any], space: Space, directions: Sequence[Direction], lookup: Lookup) -> None:
    """Draw a trial or two of a study in memory: the first as the sampler begins, the second by its own rule.

    A sampler that is not Optuna's may take its time or keep something, and is left to the trials.

    Args:
        node: a sampler that `make_sampler` takes.
        space: what is drawn.
        directions: minimize or maximize, one an objective.
        lookup: see `Space.suggest`.

    Raises:
        ConfigError: the sampler raises, be it by an argument, the space or the number of objectives.
    """
    target, arguments = _target_and_arguments(node, "sampler")
    if not target.startswith("optuna."):
        return
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # the trials' own will warn
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sampler = make_sampler(_hurried(node, target), space, trial_index=0)
            study = optuna.create_study(sampler=sampler, directions=list(directions))
            for _ in range(_num_draws(target, arguments)):
                trial = study.ask()
                space.suggest(trial, lookup)
                # not told: `constraints_func` has no part in this
                values = [0.0] * len(directions)
                study.add_trial(create_trial(params=trial.params, distributions=trial.distributions, values=values))
    except Exception as error:
        raise ConfigError(
            f"`hydra.sweeper.sampler` {target}{_shown(arguments)} cannot draw: {one_line(error)}"
        ) from error
    finally:
        optuna.logging.set_verbosity(level)


def _shown(arguments: Mapping[str, Any]) -> str:
    return " with" * bool(arguments) + ",".join(f" {name}={value!r}" for name, value in arguments.items())


def _hurried(node: Mapping[str, Any], target: str) -> Mapping[str, Any]:
    """The node with one trial at most before the sampler's own rule holds."""
    given = node.get("n_startup_trials")
    has_many = given is None or (isinstance(given, int) and given > 1)
    return {**node, "n_startup_trials": 1} if target in _STARTS_AT_RANDOM and has_many else node


def _num_draws(target: str, arguments: Mapping[str, Any]) -> int:
    """One where the own rule would import scipy or torch, a second or more, for nothing that can go wrong."""
    if target == "optuna.samplers.CmaEsSampler":
        return 2 if arguments.keys() - {"seed", "n_startup_trials"} else 1
    return 1 if target in _PACKAGES else 2


def make_pruner(node: Mapping[str, Any] | None) -> BasePruner:
    """The pruner; None prunes nothing.

    Raises:
        ConfigError: an unknown pruner or argument, or a package is missing.
    """
    if not prunes(node):
        return NopPruner()  # whatever arguments a file may have left for another pruner
    target, arguments = _target_and_arguments(node, "pruner")
    if target == "optuna.pruners.PatientPruner":
        wrapped = arguments.setdefault("wrapped_pruner", None)  # it has no default there
        if not isinstance(wrapped, BasePruner | None):
            raise ConfigError(
                f"`hydra.sweeper.pruner.wrapped_pruner` must be a mapping with a _target_ but got {wrapped!r}; "
                "one is chosen by name as +hydra/sweeper/pruner@hydra.sweeper.pruner.wrapped_pruner=NAME"
            )
    pruner = _call(target, arguments, "pruner")
    if not isinstance(pruner, BasePruner):
        raise ConfigError(f"`hydra.sweeper.pruner` {target} is no Optuna pruner")
    return pruner


def check_decides(node: Mapping[str, Any] | None) -> None:
    """Let a pruner decide on a trial of a study in memory, beside one that is complete.

    A pruner that is not Optuna's is left to the trials; so is one that would first import scipy.

    Args:
        node: a pruner that `make_pruner` takes.

    Raises:
        ConfigError: the pruner raises by an argument that its constructor has taken, as Hyperband's do.
    """
    if not prunes(node):
        return
    target, arguments = _target_and_arguments(node, "pruner")
    if not target.startswith("optuna.") or target in _PACKAGES:
        return
    study = optuna.create_study(pruner=make_pruner(node))
    study.add_trial(create_trial(value=0.0, intermediate_values={0: 0.0, 1: 0.0}))
    trial = study.ask()
    try:
        trial.report(0.0, 0)
        trial.should_prune()
    except Exception as error:
        raise ConfigError(
            f"`hydra.sweeper.pruner` {target}{_shown(arguments)} cannot decide: {one_line(error)}"
        ) from error


def prunes(node: Mapping[str, Any] | None) -> TypeGuard[Mapping[str, Any]]:
    """Whether the node is a pruner that can prune."""
    return bool(node) and not str((node or {}).get("_target_")).endswith("NopPruner")


def is_grid(node: Mapping[str, Any]) -> bool:
    """Whether the sampler counts out a grid that is known beforehand."""
    return str(node.get("_target_")).endswith(".GridSampler")


def is_exhaustive(node: Mapping[str, Any]) -> bool:
    """Whether the sampler tries every point, and so needs a space that can be counted out."""
    return is_grid(node) or str(node.get("_target_")).endswith(".BruteForceSampler")


def _target_and_arguments(node: Mapping[str, Any], kind: str) -> tuple[str, dict[str, Any]]:
    if "_target_" not in node:
        raise ConfigError(f"`hydra.sweeper.{kind}` has no _target_; choose one with hydra/sweeper/{kind}=NAME")
    target, renamed = GONE.get(str(node["_target_"]), (str(node["_target_"]), {}))
    arguments = {
        renamed.get(str(key), str(key)): _call(*_target_and_arguments(value, kind), kind) if _is_node(value) else value
        for key, value in node.items()
        if key not in ("_target_", "_partial_", "_recursive_", "_convert_")
        and value is not None
        and not (key in _FORMER_DEFAULTS and value == _FORMER_DEFAULTS[str(key)])
    }
    return target, arguments


def _is_node(value: Any) -> bool:
    return isinstance(value, Mapping) and "_target_" in value


def _call(target: str, arguments: dict[str, Any], kind: str) -> Any:
    if missing := [name for name in _PACKAGES.get(target, ()) if importlib.util.find_spec(name) is None]:
        raise ConfigError(
            f"`hydra.sweeper.{kind}` {target} needs {missing[0]}: {how_to_install(*missing)}, or lightsweep[samplers]"
        )
    try:
        maker = get_class(target)
        known = inspect.signature(maker).parameters
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"`hydra.sweeper.{kind}._target_` {target} cannot be used: {error}") from error
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    if not takes_any and (unknown := [name for name in arguments if name not in known]):
        raise ConfigError(
            f"`hydra.sweeper.{kind}.{unknown[0]}` is not an argument of {target}; it has {', '.join(known)}"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            warnings.simplefilter("ignore", FutureWarning)
            return maker(**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"`hydra.sweeper.{kind}` {target}: {one_line(error)}") from error


def _spread(seed: int, index: int) -> int:
    """One seed a trial, from the sweep's seed and the trial's place in the sweep."""
    return int(SeedSequence([seed, index]).generate_state(1)[0])
