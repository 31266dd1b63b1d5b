"""Runs of one setting together, whatever their seed; and a short name for each setting by what tells it from others."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lightsweep.reporting.runs import Run
from lightsweep.statistics import Estimate

_NOT_A_SETTING = ("seed", "test", "tags", "trust", "objectives", "logger", "data.root", "trainer.print_loss")
"""What may differ between the runs of one setting: none of these changes how a model is trained."""

_GROUPS = ("model", "data", "optimizer", "scheduler", "trainer")
_ABSENT = "–"


@dataclass(frozen=True)
class Group:
    """The runs of one setting.

    Args:
        name: what tells it from the other settings of the report.
        runs: all of them, whatever became of them.
        settings: the keys that differ between the report's settings, with this one's values.
    """

    name: str
    runs: tuple[Run, ...]
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def completed(self) -> list[Run]:
        """Those that count in the means."""
        return [run for run in self.runs if run.completed]

    def by_seed(self, metric: str) -> dict[int, float]:
        """A metric of the completed runs by seed; a seed that was run several times counts once, with their mean."""
        values: dict[int, list[float]] = {}
        for run in self.completed:
            if metric in run.metrics:
                seed = run.seed if run.seed is not None else -1 - len(values)  # not known: no other run's
                values.setdefault(seed, []).append(run.metrics[metric])
        return {seed: sum(found) / len(found) for seed, found in values.items()}

    def estimate(self, metric: str) -> Estimate:
        """A metric's mean over the seeds."""
        return Estimate.of(list(self.by_seed(metric).values()))


def group_runs(runs: Sequence[Run]) -> list[Group]:
    """Group runs by their configuration, the seed apart; runs without one that can be read are one group each.

    Runs that a sweep tried are left out: each was made once, and the best of them is best partly by luck.
    """
    members: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        if run.kind != "trial":
            members.setdefault(_identity(run), []).append(run)
    differing = _differing([found[0] for found in members.values()])
    named = _named([found[0] for found in members.values()], differing)
    groups = [
        Group(name, tuple(found), {key: _settings(found[0]).get(key, _ABSENT) for key in differing})
        for name, found in zip(named, members.values(), strict=True)
    ]
    return _distinct(groups)


def _settings(run: Run) -> dict[str, Any]:
    return {key: value for key, value in (run.settings or {}).items() if not _ignored(key)}


def _ignored(key: str) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in _NOT_A_SETTING)


def _identity(run: Run) -> tuple[Any, ...]:
    if run.settings is None:
        return ("unknown", str(run.folder))
    return tuple(sorted((key, repr(value)) for key, value in _settings(run).items()))


def _differing(runs: Sequence[Run]) -> list[str]:
    """Keys that do not have one value in all runs, in the configuration's order."""
    known = [_settings(run) for run in runs if run.settings is not None]
    keys = dict.fromkeys(key for settings in known for key in settings)
    return [key for key in keys if len({repr(settings.get(key, _ABSENT)) for settings in known}) > 1]


def _choice(run: Run, group: str) -> str:
    """A config group's choice; without Hydra's note the class that it builds."""
    noted = run.choices.get(group)
    return noted or str((run.settings or {}).get(f"{group}._target_", "")).rpartition(".")[2]


def _named(runs: Sequence[Run], differing: Sequence[str]) -> list[str]:
    """`adam lr=0.01`: the choices that differ, then the values that differ within one choice."""
    chosen = [group for group in _GROUPS if len({_choice(run, group) for run in runs}) > 1]
    within = [key for key in differing if not key.endswith("._target_") and _differs_within(key, runs, chosen)]
    ends = [key.rpartition(".")[2] for key in within]
    short = {key: end if ends.count(end) == 1 else key for key, end in zip(within, ends, strict=True)}
    names = []
    for run in runs:
        settings = _settings(run)
        words = [_choice(run, group) or _ABSENT for group in chosen]
        words += [f"{short[key]}={_short(settings[key])}" for key in within if key in settings]
        if run.settings is None:
            words = [run.folder.name]
        names.append(" ".join(words) or _alone(run))
    return names


def _differs_within(key: str, runs: Sequence[Run], chosen: Sequence[str]) -> bool:
    """Whether runs with the same choice of the key's group have several values of it."""
    group = key.partition(".")[0]
    if group not in chosen:
        return True
    values: dict[str, set[str]] = {}
    for run in runs:
        if run.settings is not None:
            values.setdefault(_choice(run, group), set()).add(repr(run.settings.get(key, _ABSENT)))
    return any(len(found) > 1 for found in values.values())


def _alone(run: Run) -> str:
    """The name of a setting that nothing differs from."""
    return " ".join(word for word in (_choice(run, "model"), _choice(run, "optimizer")) if word) or run.folder.name


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _distinct(groups: Sequence[Group]) -> list[Group]:
    """No two settings under one name: rounding, or damaged configurations, can make them look alike."""
    count: dict[str, int] = {}
    found = []
    for group in groups:
        count[group.name] = count.get(group.name, 0) + 1
        name = group.name if count[group.name] == 1 else f"{group.name} ({count[group.name]})"
        found.append(Group(name, group.runs, group.settings))
    return found
