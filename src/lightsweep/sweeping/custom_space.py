"""What an application's own function draws for a trial, beside the space: `hydra.sweeper.custom_search_space`."""

import warnings
from collections.abc import Sequence
from typing import Any

import optuna
from hydra.utils import get_method
from omegaconf import DictConfig
from optuna.distributions import BaseDistribution
from optuna.trial import Trial

from lightsweep.config.override_text import override_text
from lightsweep.errors import ConfigError
from lightsweep.sweeping.grammar import bare
from lightsweep.sweeping.plan import Plan


def draw_custom(path: str, config: DictConfig, trial: Trial, lines: Sequence[str]) -> list[str]:
    """Let the function draw, and give what it drew as overrides.

    Args:
        path: the function's dotted path.
        config: the sweep's configuration.
        trial: for which it draws.
        lines: the trial's overrides so far, fixed and drawn.

    Raises:
        ConfigError: it draws a setting that these lines have.
    """
    asked: list[str] = []
    suggest = trial._suggest

    def noted(name: str, distribution: BaseDistribution) -> Any:
        asked.append(name)
        return suggest(name, distribution)

    trial._suggest = noted  # type: ignore[method-assign]
    try:
        get_method(path)(config, trial)
    finally:
        trial._suggest = suggest  # type: ignore[method-assign]
    taken = {bare(line.partition("=")[0]) for line in lines}
    if both := [name for name in asked if bare(name) in taken]:
        raise ConfigError(
            f"`hydra.sweeper.custom_search_space` draws {both[0]}, which is fixed or searched already; leave one out"
        )
    return [f"{name}={override_text(trial.params[name])}" for name in dict.fromkeys(asked)]


def check_custom(plan: Plan, config: DictConfig) -> None:
    """Draw once for no trial. What the function itself raises is left to the trials, whose reason it will be.

    Raises:
        ConfigError: see `draw_custom`.
    """
    if plan.custom_search_space is None:
        return
    sampler = optuna.samplers.RandomSampler()
    study = optuna.create_study(sampler=sampler, directions=list(plan.directions))
    trial = study.ask()
    lines = plan.space.suggest(trial, plan.conditions.get)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna's of a setting that is drawn twice, which is refused here
            draw_custom(plan.custom_search_space, config, trial, lines)
    except ConfigError:
        raise
    except Exception:
        return
