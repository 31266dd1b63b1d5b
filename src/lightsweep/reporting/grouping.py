"""Runs of one setting together, whatever their seed and fold; and a short name for each, by what tells it apart."""

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lightsweep.config.dotted import is_within
from lightsweep.reporting.repetitions import Repetition, by_repetition, overlap, word
from lightsweep.reporting.runs import Run
from lightsweep.statistics import Estimate

_NOT_A_SETTING = (
    "seed", "test", "tags", "trust", "objectives", "logger", "data.eval_batch_size", "trainer.print_loss",
    "trainer.log_every_n_steps", "trainer.checkpoint_every_n_steps", "trainer.checkpoint_every_minutes",
)  # fmt: skip
"""What may differ between the runs of one setting: none of these changes how a model is trained.

Those that are there for speed, as `data.loader`, stay: merged, their runs could not be compared by their seconds. So
does `trainer.limit_test_batches`, which changes what is measured.
"""

_NAMED_DATA = ("MNIST", "MNISTBinary", "Torchvision")
"""Our DataModules that are told a data set's name: `data.root` is only where its files lie."""

GROUPS = ("model", "data", "optimizer", "scheduler", "trainer")
_COLLECTIONS = ("callbacks", "metrics")
"""Groups of which there can be several at once, and `none`: only Hydra's note has one word for them."""

_ABSENT = "–"
_DIGITS = (4, 6, 9, 15)


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

    @cached_property
    def completed(self) -> list[Run]:
        """Those that count in the means."""
        return [run for run in self.runs if run.completed]

    @property
    def repetitions(self) -> list[Repetition]:
        """Those of the completed runs, each once."""
        return list(by_repetition((run, None) for run in self.completed))

    def by_repetition(self, metric: str) -> dict[Repetition, float]:
        """A metric of the completed runs; a repetition that was run several times counts once, with their mean."""
        return self.means(lambda run: run.metrics.get(metric))

    def means(self, value: Callable[[Run], float | None]) -> dict[Repetition, float]:
        """A number of each completed run, as `by_repetition`; None where a run has none."""
        values = by_repetition((run, found) for run in self.completed if (found := value(run)) is not None)
        return {repetition: sum(found) / len(found) for repetition, found in values.items()}

    def estimate(self, metric: str) -> Estimate:
        """A metric's mean over the repetitions."""
        return estimate_of(self.by_repetition(metric))

    @cached_property
    def loss(self) -> str:
        """What the completed runs' loss is; empty where none notes it."""
        return " or ".join(sorted({run.loss for run in self.completed if run.loss}))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes that the completed runs tell apart; empty where none notes any."""
        return next((run.classes for run in self.completed if run.classes), ())

    def rises(self, metric: str) -> bool | None:
        """Whether more of a metric is better; None where no run says it."""
        return _agreed(run.rises(metric) for run in self.runs)


def estimate_of(values: Mapping[Repetition, float], sizes: Sequence[float] | None = None) -> Estimate:
    """The mean of a value of each repetition; see `Estimate`."""
    return Estimate.of(list(values.values()), sizes, overlap(values))


def repeated_by(groups: Iterable[Group]) -> str:
    """What the groups' repetitions are, each: a seed, a fold, or a run with both."""
    return word(each for group in groups for each in group.repetitions)


def rises(groups: Sequence[Group], metric: str) -> bool | None:
    """Whether more of a metric is better; None where no setting says it, or they differ."""
    return _agreed(group.rises(metric) for group in groups)


def group_runs(runs: Sequence[Run], trials: bool = False) -> list[Group]:
    """Group runs by their configuration, seed and fold apart; runs without one that can be read are one group each.

    Args:
        runs: in the order in which the groups shall come.
        trials: whether the runs that a sweep tried are taken too, in groups of their own; else they are left out: most
            were made once, and the best of them is best partly by luck.
    """
    members: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        if trials or run.kind != "trial":
            members.setdefault((run.kind == "trial", *_identity(run)), []).append(run)
    first = [found[0] for found in members.values()]
    settings = [setting_of(run.settings or {}) for run in first]
    differing = _differing([known for run, known in zip(first, settings, strict=True) if run.settings is not None])
    named = distinct(_named(first, settings, differing))
    return [
        Group(name, tuple(found), {key: known.get(key, _ABSENT) for key in differing})
        for name, found, known in zip(named, members.values(), settings, strict=True)
    ]


def _agreed(said: Iterable[bool | None]) -> bool | None:
    found = set(said) - {None}
    return found.pop() if len(found) == 1 else None


def setting_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What tells a run's setting from another's, of its configuration by dotted keys."""
    package, _, kind = str(settings.get("data._target_", "")).rpartition(".")
    anywhere = package.startswith("lightsweep.data") and kind in _NAMED_DATA
    ignored = (*_NOT_A_SETTING, *(["data.root"] if anywhere else []))
    kept = {key: value for key, value in settings.items() if not is_within(key, ignored)}
    named = [str(value) for key, value in kept.items() if key.rpartition(".")[2] == "monitor"]
    watched = {name.partition("/")[2] for name in named if "/" in name}  # `auto` is none that was added
    found = {key: value for key, value in kept.items() if _metric(key) is None or _metric(key) in watched}
    return found if found.get("data.fold") is None else {**found, "data.fold": "each"}


def _metric(key: str) -> str | None:
    """The name of the metric that a key under `metrics` belongs to; one that nothing monitors is measured only."""
    group, _, rest = key.partition(".")
    return rest.partition(".")[0] if group == "metrics" else None


def _identity(run: Run) -> tuple[Any, ...]:
    if run.settings is None:
        return ("unknown", str(run.folder))
    return tuple(sorted((key, repr(value)) for key, value in setting_of(run.settings).items() if not _is_unset(value)))


def _is_unset(value: Any) -> bool:
    """Whether a value is as good as none: runs of older versions have not every key."""
    return value is None or value == []


def _differing(known: Sequence[dict[str, Any]]) -> list[str]:
    """Keys that do not have one value in all settings, in the configuration's order."""
    keys = dict.fromkeys(key for settings in known for key in settings)
    return [key for key in keys if len({repr(_set(settings, key)) for settings in known}) > 1]


def _set(settings: Mapping[str, Any], key: str) -> Any:
    value = settings.get(key)
    return _ABSENT if _is_unset(value) else value


def _choice(run: Run, group: str) -> str:
    """A config group's choice; without Hydra's note the class that it builds, if it is one."""
    noted = run.choices.get(group)
    return noted or str((run.settings or {}).get(f"{group}._target_", "")).rpartition(".")[2]


def _chosen(known: Sequence[Run], differing: Sequence[str]) -> list[str]:
    """The groups by whose choices the settings are named."""
    choices = {group: {_choice(run, group) for run in known} for group in (*GROUPS, *_COLLECTIONS)}
    several = [group for group, found in choices.items() if len(found) > 1]
    touched = {key.partition(".")[0] for key in differing}
    return [g for g in several if g not in _COLLECTIONS or (g in touched and "" not in choices[g])]


def _named(runs: Sequence[Run], settings: Sequence[dict[str, Any]], differing: Sequence[str]) -> list[str]:
    """`adam callbacks=mine lr=0.01`: the choices that differ, then the values that differ within one choice."""
    chosen = _chosen([run for run in runs if run.settings is not None], differing)
    within = [key for key in differing if _differs_within(key, runs, chosen)]
    ends = [key.rpartition(".")[2] for key in within]
    short = {key: end if ends.count(end) == 1 else key for key, end in zip(within, ends, strict=True)}
    values = {key: written(key, [own.get(key, _ABSENT) for own in settings]) for key in within}
    names = []
    for place, (run, own) in enumerate(zip(runs, settings, strict=True)):
        words = [f"{g}={_choice(run, g)}" if g in _COLLECTIONS else _choice(run, g) or _ABSENT for g in chosen]
        words += [f"{heading(key) or short[key]}={values[key][place]}" for key in within if key in own]
        if run.settings is None:
            words = [run.folder.name]
        name = " ".join(words) or _alone(run)
        names.append(f"trials {name}" if run.kind == "trial" else name)
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


def heading(key: str) -> str | None:
    """What a `_target_` belongs to, in full; None for other keys."""
    return key.removesuffix("._target_") if key.endswith("._target_") else None


def written(key: str, values: Sequence[Any]) -> list[str]:
    """Several settings' values of a key, briefly: numbers to four digits, or as many as tell them apart; of targets
    their classes' names, where these do.
    """
    if heading(key) is None:
        ways = (["none" if value == {} else _short(value, digits) for value in values] for digits in _DIGITS)
        return max(ways, key=lambda way: len(set(way)))  # the first of those
    texts = ["none" if value is None else str(value) for value in values]
    classes = [text.rpartition(".")[2] for text in texts]
    return classes if len(set(classes)) == len(set(texts)) else texts


def _short(value: Any, digits: int) -> str:
    """A value as YAML has it, numbers to so many digits, and `Crop(size=28)` for a mapping with a target."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, list):
        return f"[{', '.join(_short(part, digits) for part in value)}]"
    if isinstance(value, dict):
        words = ", ".join(f"{key}={_short(part, digits)}" for key, part in value.items() if key != "_target_")
        target = str(value.get("_target_", "")).rpartition(".")[2]
        return f"{target}({words})" if target else f"{{{words}}}"
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def distinct(names: Sequence[str]) -> list[str]:
    """No two settings under one name: damaged configurations can make them look alike."""
    found: dict[str, None] = {}
    for name in names:
        tries = (name if count == 1 else f"{name} ({count})" for count in itertools.count(1))
        found[next(word for word in tries if word not in found)] = None
    return list(found)
