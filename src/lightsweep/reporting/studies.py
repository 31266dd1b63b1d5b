"""Sweeps read back from their studies, and what a study says of its space and of the value of more trials."""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import optuna
from numpy.typing import ArrayLike, NDArray
from optuna.exceptions import ExperimentalWarning
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from lightsweep.errors import RunFolderError
from lightsweep.reporting.grouping import distinct
from lightsweep.reporting.runs import NO_RESULT, STILL, Run, is_sweep
from lightsweep.reporting.saved_study import open_saved_study
from lightsweep.statistics import is_finite
from lightsweep.sweeping import marks
from lightsweep.sweeping.results import ranked_trials, reason_of, state_word

RESAMPLES = 2000
LONGEST = 44
"""Letters of what a parameter is called on the page: as many as leave room for the figure."""


@dataclass(frozen=True)
class SavedSweep:
    """A sweep's folder and its study.

    Args:
        folder: where it lies.
        name: what tells it from the other sweeps of the report.
        study: None where it cannot be read.
        note: why it cannot, one line.
        others: the folders of other sweeps of the same study, as several machines make them.
    """

    folder: Path
    name: str
    study: Study | None
    note: str = ""
    others: tuple[Path, ...] = ()

    @property
    def folders(self) -> tuple[Path, ...]:
        """All in which its trials lie."""
        return (self.folder, *self.others)

    @cached_property
    def trials(self) -> list[FrozenTrial]:
        """Those that count: neither killed nor tried again."""
        if self.study is None:
            return []
        found = self.study.get_trials(deepcopy=False)
        return [trial for trial in found if marks.condition(trial) not in ("not_counted", "waiting")]

    @cached_property
    def complete(self) -> list[FrozenTrial]:
        """Those with a value."""
        return [trial for trial in self.trials if trial.state is TrialState.COMPLETE]

    @property
    def rises(self) -> bool:
        """Whether the study looks for the greatest value of its (first) objective."""
        return self.study is None or self.study.directions[0] is StudyDirection.MAXIMIZE

    @property
    def single(self) -> bool:
        """Whether there is one objective, of which one trial can be the best."""
        return self.study is not None and len(self.study.directions) == 1

    @cached_property
    def parameters(self) -> dict[str, str]:
        """What the complete trials drew, by names in the study, and what to call each on the page: its key; where
        several branches have that, the name with the branch, of which a long one is cut.
        """
        names = list(dict.fromkeys(name for trial in self.complete for name in trial.params))
        keys = Counter(map(key_of, names))
        called = [key if keys[key := key_of(name)] == 1 else name for name in names]
        cut = [name if len(name) <= LONGEST else f"{name[:LONGEST]}…" for name in called]
        return dict(zip(names, distinct(cut), strict=True))

    def ranked(self) -> list[FrozenTrial]:
        """The complete trials that kept their constraints, best first; of several objectives the Pareto front."""
        return ranked_trials(self.study) if self.study is not None else []


def key_of(name: str) -> str:
    """A parameter's key without the condition that a branch adds to it."""
    return name.partition("[")[0]


def find_sweeps(folders: Sequence[Path], runs: Sequence[Run]) -> list[SavedSweep]:
    """The sweeps that some runs belong to, and those that lie at or below some folders; those that share a study once,
    by its name.
    """
    found: dict[Path, None] = {}
    for run in runs:
        above = run.folder.resolve()
        for folder in above.parents[:2]:
            if run.kind in ("trial", "rerun") and is_sweep(folder):
                found[folder] = None
    for folder in folders:
        if is_sweep(folder):
            found[folder.resolve()] = None
    ends = [folder.name for folder in found]
    names = [end if ends.count(end) == 1 else f"{f.parent.name}/{end}" for f, end in zip(found, ends, strict=True)]
    by_study: dict[object, list[SavedSweep]] = {}
    for folder, name in zip(found, distinct(names), strict=True):
        sweep = _read(folder, name)
        by_study.setdefault(_identity(sweep), []).append(sweep)
    merged = [_as_one(same) for same in by_study.values()]
    names = distinct([sweep.name for sweep in merged])
    return [replace(sweep, name=name) for sweep, name in zip(merged, names, strict=True)]


def told_by_studies(runs: Sequence[Run], sweeps: Sequence[SavedSweep]) -> list[Run]:
    """The runs; of trials that left no result.json, which begin or are another program's, the study tells."""
    studies = [(sweep, sweep.study.get_trials(deepcopy=False)) for sweep in sweeps if sweep.study is not None]
    trials = {folder / str(trial.number): trial for sweep, own in studies for folder in sweep.folders for trial in own}

    def told(run: Run) -> Run:
        trial = trials.get(run.folder.resolve()) if run.kind == "trial" and run.reason == NO_RESULT else None
        if trial is None:
            return run
        word = state_word(trial)
        if word == "complete":
            return replace(run, status="completed", reason="")
        return replace(run, status=word, reason=reason_of(trial) or (STILL if word == "running" else word))

    return [told(run) for run in runs]


def _identity(sweep: SavedSweep) -> object:
    """What two copies of a study share: its name, and when its first trial started."""
    trials = sweep.study.get_trials(deepcopy=False) if sweep.study is not None else []
    if sweep.study is None or not trials or trials[0].datetime_start is None:
        return sweep.folder
    return sweep.study.study_name, trials[0].datetime_start


def _as_one(same: Sequence[SavedSweep]) -> SavedSweep:
    """Sweeps of one study, with the copy of it that has the most trials: each machine's is as that one left it."""
    study = max(same, key=lambda sweep: len(sweep.trials)).study
    if len(same) == 1 or study is None:
        return same[0]
    return SavedSweep(same[0].folder, study.study_name, study, others=tuple(sweep.folder for sweep in same[1:]))


def _read(folder: Path, name: str) -> SavedSweep:
    try:
        return SavedSweep(folder, name, open_saved_study(folder))
    except RunFolderError as error:
        return SavedSweep(folder, name, None, str(error))


def all_tie(sweep: SavedSweep) -> bool:
    """Whether several complete trials have one value, which tells nothing of their settings."""
    return len(sweep.complete) > 1 and len({tuple(trial.values) for trial in sweep.complete}) == 1


def importances(sweep: SavedSweep) -> dict[str, float]:
    """Optuna's own parameter importances (PED-ANOVA), shares of 1; empty where there are too few trials to tell, or
    these do not tell it: Optuna would give each parameter the same share.
    """
    if sweep.study is None or not sweep.single or len(sweep.complete) < 4:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        warnings.simplefilter("ignore", UserWarning)  # it says when trials are few; the page does too
        try:
            found = optuna.importance.get_param_importances(sweep.study, normalize=False)
        except (ValueError, RuntimeError):  # parameters with one value only
            return {}
    finite = {name: float(share) for name, share in found.items() if np.isfinite(share)}
    whole = sum(finite.values())
    return {name: share / whole for name, share in finite.items()} if whole > 0 else {}


def budget_values(sweep: SavedSweep) -> list[float]:
    """What each trial would have given the tuner: its value; of a pruned one the best that it reported; of one that
    failed or broke a constraint the worst of all.
    """
    best = max if sweep.rises else min
    kept = {trial.number for trial in sweep.ranked()}
    found: list[float | None] = []
    for trial in sweep.trials:
        if trial.state is TrialState.COMPLETE:
            found.append(trial.values[0] if trial.number in kept else None)
        elif trial.state is TrialState.PRUNED:
            found.append(best((v for v in trial.intermediate_values.values() if is_finite(v)), default=None))
        elif trial.state is TrialState.FAIL:
            found.append(None)
    known = [value for value in found if value is not None and is_finite(value)]
    if not known:
        return []
    worst = min(known) if sweep.rises else max(known)
    return [worst if value is None or not is_finite(value) else value for value in found]


def expected_best(values: ArrayLike, rises: bool, budgets: NDArray[np.integer]) -> NDArray[np.float64]:
    """The expected best of n trials drawn from those that were made, for each n of `budgets`.

    Dodge et al. 2019, Show Your Work: Improved Reporting of Experimental Results: with the trials' values in order, the
    best of n drawn with replacement is at most the i-th with probability (i/N)^n. It holds for trials that
    are drawn independently, as random search does; a sampler that learns makes the later ones better than it says.

    Args:
        values: of shape [..., N], N at least 1.
        rises: whether the greatest is the best.
        budgets: of shape [B].

    Returns:
        Of shape [..., B].
    """
    sign = 1 if rises else -1
    ordered = np.sort(sign * np.asarray(values, dtype=float))
    count = ordered.shape[-1]
    weights = np.diff((np.arange(count + 1) / count) ** budgets[:, None])
    return sign * (ordered @ weights.T)


def budget_band(
    values: Sequence[float], rises: bool, budgets: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The 95 % percentile bootstrap band of `expected_best`, over resampled sets of trials, seeded."""
    draws = np.random.default_rng(0).choice(np.asarray(values, dtype=float), (RESAMPLES, len(values)))
    low, high = np.quantile(expected_best(draws, rises, budgets), [0.025, 0.975], axis=0)
    return low, high


def at_edge(trial: FrozenTrial) -> list[str]:
    """The trial's numeric parameters that lie within 5 % of an end of their range: the best may lie beyond it."""
    found = []
    for name, value in trial.params.items():
        distribution = trial.distributions[name]
        low, high = getattr(distribution, "low", None), getattr(distribution, "high", None)
        if low is None or high is None or low == high:
            continue
        scale = np.log if getattr(distribution, "log", False) else float
        place = (scale(value) - scale(low)) / (scale(high) - scale(low))
        if not 0.05 <= place <= 0.95:
            found.append(name)
    return found
