"""The files that a sweep leaves in its folder, written from the study alone: best.yaml, trials.csv, the official
sweeper's results, and the study itself where it is kept elsewhere.
"""

import re
from collections.abc import Container, Iterator, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf, read_write
from optuna.study import Study, StudyDirection
from optuna.trial import FixedTrial, FrozenTrial, TrialState

from lightsweep.config.override_text import override_text
from lightsweep.files import write_bytes, write_csv, write_text
from lightsweep.paths import SweepPaths
from lightsweep.sweeping import marks
from lightsweep.sweeping.config_keys import hydra_overrides, is_group, keys_of, task_part
from lightsweep.sweeping.grammar import bare, parse
from lightsweep.sweeping.journal import journal_of
from lightsweep.sweeping.parameter import Parameter
from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.storage import local_file, open_storage


def write_results(study: Study, plan: Plan, config: DictConfig, loader: ConfigLoader) -> None:
    """Write all result files anew; without a completed trial there is only trials.csv."""
    paths = SweepPaths(plan.folder)
    trials = study.get_trials(deepcopy=False)
    write_csv(paths.trials, trials_table(trials, plan))
    if local_file(plan.storage) != paths.journal:
        write_bytes(paths.study_copy, journal_of(study.study_name, open_storage(plan.storage)))
    best = ranked_trials(study)
    if best:
        write_text(paths.results, official_results(best, plan))
        write_text(paths.best, experiment_file(best[0], plan, config, loader))


def ranked_trials(study: Study) -> list[FrozenTrial]:
    """The completed trials that kept their constraints, best first; with several directions the Pareto front."""
    if len(study.directions) > 1:
        return sorted(study.best_trials, key=lambda trial: trial.number)
    done = [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.state is TrialState.COMPLETE and not broken_constraints(trial)
    ]
    sign = -1 if study.direction is StudyDirection.MAXIMIZE else 1
    return sorted(done, key=lambda trial: (sign * (trial.value or 0.0), trial.number))


def parameters_of(trial: FrozenTrial, plan: Plan) -> dict[str, Any]:
    """A trial's settings by their keys in the configuration, without the conditions in their names."""
    known = {parameter.name: parameter for parameter in plan.space.every_parameter()}
    shown = {}
    for name, value in trial.params.items():
        parameter = known.get(name, Parameter(name, trial.distributions[name]))
        shown[parameter.key] = parameter.tidy(value)
    return shown


def trials_table(trials: Sequence[FrozenTrial], plan: Plan) -> Iterator[list[Any]]:
    """A head, then one row a trial: number, state, value (one column a direction), duration_s, reason, parameters.

    A parameter's column that would have the name of another has `params.` before it.
    """
    rows = [(trial, parameters_of(trial, plan)) for trial in trials]
    keys = sorted({key for _, parameters in rows for key in parameters})
    count = len(plan.directions)
    values = ["value"] if count == 1 else [f"value_{index}" for index in range(count)]
    own = ["number", "state", *values, "duration_s", "reason"]
    yield [*own, *(f"params.{key}" if key in own else key for key in keys)]
    for trial, parameters in rows:
        measured = list(trial.values or ())
        measured += [None] * (count - len(measured))
        drawn = [parameters.get(key) for key in keys]
        yield [trial.number, state_word(trial), *measured, duration_s(trial), reason_of(trial), *drawn]


def duration_s(trial: FrozenTrial) -> float | None:
    """How long a trial took; None where it has not ended, or nobody saw when: its process was found gone.

    Optuna notes times of the wall clock, without a zone: where that was set back meanwhile, as in autumn, the trial
    ended before it began, and nobody knows either.
    """
    if trial.duration is None or (trial.state is TrialState.FAIL and marks.FOUND_GONE in trial.user_attrs):
        return None
    took_s = round(trial.duration.total_seconds(), 3)
    return took_s if took_s >= 0 else None


def state_word(trial: FrozenTrial) -> str:
    """A trial's condition in the words of the files: an uncounted one says why it is."""
    word = marks.condition(trial)
    if word == "not_counted":
        return str(trial.user_attrs[marks.NOT_COUNTED])
    return "running" if word == "foreign" else word


def reason_of(trial: FrozenTrial) -> str:
    """Why a trial failed, was pruned or does not count, or how far a complete one is from its constraints; else ""."""
    if trial.state is TrialState.COMPLETE and (broken := broken_constraints(trial)):
        return ", ".join(f"breaks constraint {name} by {excess:.6g}" for name, excess in broken.items())
    return str(trial.user_attrs.get(marks.REASON, ""))


def broken_constraints(trial: FrozenTrial) -> dict[str, float]:
    """By how much a trial exceeds each constraint that it does not keep; NaN keeps none."""
    return {name: limit for name, limit in trial.constraints.items() if not limit <= 0}


def official_results(best: Sequence[FrozenTrial], plan: Plan) -> str:
    """`optimization_results.yaml` in the form of the official sweeper."""
    if len(plan.directions) == 1:
        found: dict[str, Any] = {
            "name": "optuna",
            "best_params": parameters_of(best[0], plan),
            "best_value": best[0].value,
        }
    else:
        solutions = [{"params": parameters_of(trial, plan), "values": list(trial.values)} for trial in best]
        found = {"name": "optuna", "solutions": solutions}
    return OmegaConf.to_yaml(OmegaConf.create(found))


def experiment_file(trial: FrozenTrial, plan: Plan, config: DictConfig, loader: ConfigLoader) -> str:
    """A trial as an experiment file, which composes to the trial's configuration.

    Groups become entries of the defaults list, values a tree. A deletion (`~key`) has no form in YAML: it stands in a
    comment, as does what the task drew for itself. Of a list whose elements have keys of their own, all is written.
    """
    own = drawn_by_task(trial, plan, config, loader)
    lines = trial_overrides(trial, plan, own)
    composed = loader.load_sweep_config(config, lines)
    groups, values, deleted = [], OmegaConf.create({}), []
    for override in parse(_needed(lines, task_part(composed), plan, config, loader), loader):
        key = override.key_or_group
        if override.is_delete():
            deleted.append(override.get_key_element())
        elif is_group(key, config, loader):
            package = f"@{override.package}" if override.package else ""
            prefix = "" if override.is_add() else "override "
            groups.append({f"{prefix}/{key}{package}": override.value()})
        elif (above := _list_above(key, composed)) is not None:
            whole = OmegaConf.to_container(OmegaConf.select(composed, above), resolve=False)
            OmegaConf.update(values, above, whole, force_add=True)
        else:
            OmegaConf.update(values, key, override.value(), force_add=True)
    measured = ", ".join(f"{value:.6g}" for value in trial.values or ())
    head = ["# @package _global_", f"# trial {trial.number} of study {plan.study_name}: {measured}"]
    if deleted:
        head.append(f"# give these on the command line too: {' '.join(deleted)}")
    if own:
        head.append(f"# drawn by the task itself: {' '.join(f'{key}={override_text(own[key])}' for key in own)}")
    parts = ["\n".join(head) + "\n"]
    if groups:
        parts.append(OmegaConf.to_yaml(OmegaConf.create({"defaults": [*groups, "_self_"]})))
    if values:
        parts.append(OmegaConf.to_yaml(values))
    return "\n".join(parts)


def drawn_by_task(trial: FrozenTrial, plan: Plan, config: DictConfig, loader: ConfigLoader) -> dict[str, Any]:
    """What a trial drew that is no setting: the running task can draw too, by names that the configuration lacks."""
    drawn = _outside_space(trial, plan)
    if not drawn or plan.custom_search_space is None:
        return drawn
    known = keys_of(loader.load_sweep_config(config, _space_overrides(trial, plan)))
    return {
        name: value
        for name, value in drawn.items()
        if name == bare(name) and name not in known and not is_group(name, config, loader)
    }


def _list_above(key: str, composed: DictConfig) -> str | None:
    """The list that `key` is an element of, or stands within an element of; None where there is none."""
    words = key.split(".")
    above = (".".join(words[:count]) for count in range(1, len(words)))
    return next((name for name in above if OmegaConf.is_list(OmegaConf.select(composed, name))), None)


def trial_overrides(trial: FrozenTrial, plan: Plan, own: Container[str]) -> list[str]:
    """The override lines with which a trial ran; what the task drew for itself, which is its `own`, is none."""
    lines = _space_overrides(trial, plan)
    if plan.custom_search_space is None:
        return lines
    custom = _outside_space(trial, plan).items()
    return lines + [f"{name}={override_text(value)}" for name, value in custom if name not in own]


def _space_overrides(trial: FrozenTrial, plan: Plan) -> list[str]:
    return plan.space.suggest(FixedTrial(trial.params), plan.conditions.get)  # type: ignore[arg-type]


def _outside_space(trial: FrozenTrial, plan: Plan) -> dict[str, Any]:
    known = {parameter.name for parameter in plan.space.every_parameter()}
    return {name: value for name, value in trial.params.items() if name not in known}


def _needed(lines: list[str], whole: dict[str, Any], plan: Plan, config: DictConfig, loader: ConfigLoader) -> list[str]:
    """The lines without fixed groups that change Hydra's configuration only, such as the one that chose the sweep.

    Args:
        lines: the trial's overrides.
        whole: the task's configuration with all of them.
    """
    fixed = {line for _, line in plan.space.every_fixed()}
    kept, config = list(lines), _without_search(config)
    for override in parse(lines, loader):
        if (
            override.input_line in fixed
            and not override.is_delete()
            and is_group(override.key_or_group, config, loader)
        ):
            without = [line for line in kept if line != override.input_line]
            try:
                same = task_part(loader.load_sweep_config(config, without)) == whole
            except Exception:  # the rest does not compose without it: it is needed
                same = False
            if same:
                kept = without
    return kept


def _without_search(config: DictConfig) -> DictConfig:
    """A copy without what the command line sets of sweeper and launcher, which takes the groups that are left out."""
    kept = [line for line in hydra_overrides(config) if not re.match(r"[+~]*hydra[./](sweeper|launcher)\b", line)]
    copy = config.copy()
    with read_write(copy.hydra):
        copy.hydra.overrides.hydra = kept
    return copy
