"""Opening the study of a sweep, new or known, and making sure that it is a study of this sweep."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, distribution_to_json, json_to_distribution
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from lightsweep.config.dotted import is_within
from lightsweep.errors import ConfigError
from lightsweep.sweeping import marks
from lightsweep.sweeping.algorithms import is_exhaustive, make_pruner, make_sampler
from lightsweep.sweeping.grammar import bare, value_of
from lightsweep.sweeping.parameter import Parameter
from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.storage import open_storage, taking_turns, unusable

_HOW = (
    "sweeps", "trust", "tags", "logger", "data.root", "data.num_workers", "trainer.accelerator", "trainer.devices",
    "trainer.num_nodes", "trainer.threads", "trainer.print_loss",
)  # fmt: skip
"""Keys that say how or where a trial runs, not what: sweeps on one study may differ in them, as in their seed."""


def open_study(plan: Plan) -> Study:
    """The sweep's study, made when it does not exist, with its own sampler left out (see `load_study`).

    Raises:
        ConfigError: the storage cannot be used, or the study has other directions, space or fixed settings.
    """
    storage = open_storage(plan.storage, for_sweep=True)
    with taking_turns(plan.storage, plan.folder):
        try:
            study = optuna.create_study(
                study_name=plan.study_name,
                storage=storage,
                directions=list(plan.directions),
                load_if_exists=True,
                sampler=optuna.samplers.RandomSampler(),
            )
        except StorageInternalError as error:  # another program holds the file, or may write it and this one not
            raise unusable(plan.storage, error) from None
        _check_directions(study, plan.directions)
        _check_space(study, plan)
        _check_settings(study, plan)
    return study


def load_study(plan: Plan, trial_index: int | None = None) -> Study:
    """The study with the sweep's sampler and pruner, the sampler seeded for one trial."""
    return optuna.load_study(
        study_name=plan.study_name,
        storage=open_storage(plan.storage),
        sampler=make_sampler(plan.sampler, plan.space, trial_index),
        pruner=make_pruner(plan.pruner),
    )


def study_storage(plan: Plan) -> tuple[BaseStorage, int]:
    """The storage and the study's id in it, for what Optuna's study has no method for."""
    storage = open_storage(plan.storage)
    return storage, storage.get_study_id_from_name(plan.study_name or "")


def queued_parameters(settings: Sequence[Mapping[str, Any]], plan: Plan) -> list[dict[str, Any]]:
    """The settings to try first, by the names that parameters have in the study.

    Args:
        settings: for each trial a mapping from key to value; what is not named is drawn by the sampler.

    Raises:
        ConfigError: a key is not searched, or a value is outside its space.
    """
    if settings and is_exhaustive(plan.sampler):
        raise ConfigError("`hydra.sweeper.enqueue` has no use with a sampler that tries every point; leave it out")
    return [_fixed_parameters(given, plan) for given in settings]


def enqueue(study: Study, plan: Plan, queued: Sequence[dict[str, Any]]) -> None:
    """Put settings to the front of the study; those that are in it already are passed over, so resuming adds none.

    Optuna's `skip_if_exists` compares each with every trial, and takes 100,000 and 100,001 for one.
    """
    if not queued:
        return
    with taking_turns(plan.storage, plan.folder):
        trials = study.get_trials(deepcopy=False)
        known = {_as_texts(trial.system_attrs.get("fixed_params", trial.params)) for trial in trials}
        for parameters in queued:
            setting = _as_texts(parameters)
            if setting not in known:
                known.add(setting)
                study.enqueue_trial(parameters)


def _as_texts(parameters: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """Settings as what can be looked up; numbers without the rounding of binary fractions, whether whole or not."""
    return frozenset(
        (name, f"{value:.15g}" if isinstance(value, int | float) else repr(value)) for name, value in parameters.items()
    )


def _fixed_parameters(given: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
    """Values by their names in the study; a key that stands in several branches goes to all of them."""
    if not given:
        raise ConfigError("`hydra.sweeper.enqueue` has an empty setting; name at least one parameter")
    fixed: dict[str, Any] = {}
    for key, value in given.items():
        places = [parameter for parameter in plan.space.every_parameter() if bare(parameter.key) == bare(str(key))]
        if not places:
            searched = ", ".join(sorted({bare(parameter.key) for parameter in plan.space.every_parameter()}))
            raise ConfigError(f"`hydra.sweeper.enqueue` names {key}, which is not searched; searched: {searched}")
        fits = {place.name: _stored(place, value) for place in places if _contains(place, value)}
        if not fits:
            raise ConfigError(f"`hydra.sweeper.enqueue` has {key}={value}, outside {places[0].distribution}")
        fixed.update(fits)
    return fixed


def _contains(parameter: Parameter, value: Any) -> bool:
    try:
        return parameter.distribution._contains(parameter.distribution.to_internal_repr(_stored(parameter, value)))
    except (ValueError, TypeError):
        return False


def _stored(parameter: Parameter, value: Any) -> Any:
    """The value as the study keeps it: a list or mapping goes by its override text."""
    if isinstance(parameter.distribution, CategoricalDistribution) and isinstance(value, list | Mapping):
        alike = (choice for choice in parameter.distribution.choices if value_of(parameter.text(choice)) == value)
        return next(alike, value)
    return value


def _check_directions(study: Study, wanted: Sequence[str]) -> None:
    found = tuple(direction.name.lower() for direction in study.directions)
    if found != tuple(wanted):
        raise ConfigError(
            f"the study {study.study_name!r} has direction {', '.join(found)} but `hydra.sweeper.direction` is "
            f"{', '.join(wanted)}; give another `hydra.sweeper.study_name`"
        )


def _check_space(study: Study, plan: Plan) -> None:
    """Compare the space with that of the study; a study made elsewhere is known by its trials."""
    wanted = plan.space.signature()
    found: dict[str, str] | None = study.user_attrs.get(marks.STUDY_SPACE)
    if found is None:
        trials = study.get_trials(deepcopy=False)
        found = {
            name: distribution_to_json(distribution)
            for trial in trials
            for name, distribution in trial.distributions.items()
        }
        if any(name in wanted and wanted[name] != text for name, text in found.items()):
            raise ConfigError(_other_space(study, found, wanted))
        _check_drawn(study, trials, plan)
        study.set_user_attr(marks.STUDY_SPACE, wanted)
    elif found != wanted:
        raise ConfigError(_other_space(study, found, wanted))


def _check_drawn(study: Study, trials: Sequence[FrozenTrial], plan: Plan) -> None:
    """Refuse a trial that was made without a parameter: were it the best, best.yaml could not be written."""
    for trial in trials:
        if trial.state is TrialState.COMPLETE and (name := _lacking(trial, plan)) is not None:
            raise ConfigError(
                f"the study {study.study_name!r} was made for another space: its trial {trial.number} has no {name}; "
                "give another `hydra.sweeper.study_name`"
            )


def _lacking(trial: FrozenTrial, plan: Plan) -> str | None:
    """The first parameter of those that apply to the trial's settings which it has not drawn."""
    drawn = SimpleNamespace(_suggest=lambda name, _: trial.params[name])
    try:
        plan.space.suggest(drawn, plan.conditions.get)  # type: ignore[arg-type]
    except KeyError as missing:
        return str(missing.args[0])
    return None


def _other_space(study: Study, found: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    name = next(name for name in [*wanted, *found] if found.get(name) != wanted.get(name))
    before = json_to_distribution(found[name]) if name in found else "absent"
    now = json_to_distribution(wanted[name]) if name in wanted else "absent"
    return (
        f"the study {study.study_name!r} was made for another space: {name} was {before}, is now {now}; "
        "give another `hydra.sweeper.study_name`"
    )


def _check_settings(study: Study, plan: Plan) -> None:
    """Compare the fixed settings with those of the study; one that was made elsewhere has none."""
    how = (*_HOW, plan.rerun.seed_key)
    wanted = {key: value for key, value in plan.space.settings().items() if not is_within(key, how)}
    found: dict[str, str] | None = study.user_attrs.get(marks.STUDY_SETTINGS)
    if found is None:
        study.set_user_attr(marks.STUDY_SETTINGS, wanted)
    elif found != wanted:
        key = next(key for key in [*wanted, *found] if found.get(key) != wanted.get(key))
        raise ConfigError(
            f"the study {study.study_name!r} was made with another setting: {key} was {found.get(key, 'not given')}, "
            f"is now {wanted.get(key, 'not given')}; give another `hydra.sweeper.study_name`"
        )
