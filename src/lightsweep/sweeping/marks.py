"""The user attributes by which trials carry what Optuna's own states cannot say, and how trials are counted with them.

A study is shared by processes that never meet, so everything they must agree on is written into it.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

OWNER = "lightsweep:owner"
ALIVE = "lightsweep:alive"  # `time.time()` of the owner's last sign of life; Optuna's times are of each host's own zone
REASON = "lightsweep:reason"
NOT_COUNTED = "lightsweep:not_counted"  # why the trial is outside n_trials: killed, withdrawn or tried again
FOUND_GONE = "lightsweep:found_gone"  # its process had ended some time before the study heard of it
RUN_AGAIN_OF = "lightsweep:run_again_of"
ATTEMPT = "lightsweep:attempt"  # 0 for the first, counted up by retry_failed
KILLS = "lightsweep:kills"  # how often these settings have lost their process
INTERRUPTED = "lightsweep:interrupted"  # by a signal, which may have ended the whole sweep
DRAW = "lightsweep:draw"  # in a seeded sweep, which of its draws the trial has
PRUNED_AT = "lightsweep:pruned_at"
FOLDER = "lightsweep:folder"

STUDY_SPACE = "lightsweep:space"
STUDY_SETTINGS = "lightsweep:settings"  # the fixed ones
STUDY_EXHAUSTED = "lightsweep:exhausted"
STUDY_SEEDS = "lightsweep:seeds"  # of the sweeps that made its trials
RERUN = "lightsweep:rerun:"  # followed by trial and seed


@dataclass(frozen=True)
class TrialCounts:
    """How many trials of a study are in which condition; `counted` is what `n_trials` is compared with."""

    complete: int = 0
    pruned: int = 0
    failed: int = 0
    not_counted: int = 0
    running: int = 0
    foreign: int = 0
    waiting: int = 0

    @property
    def counted(self) -> int:
        """Trials that finished: complete, pruned, or failed by themselves."""
        return self.complete + self.pruned + self.failed

    @property
    def created(self) -> int:
        """Trials that have started at some time."""
        return self.counted + self.not_counted + self.running


def condition(trial: FrozenTrial) -> str:
    """One word for a trial: complete, pruned, failed, not_counted, running, foreign or waiting.

    A foreign one runs without an owner: another program on Optuna runs it. It is left alone, and counts once done.
    """
    if NOT_COUNTED in trial.user_attrs and trial.state.is_finished():
        return "not_counted"
    if trial.state is TrialState.RUNNING and OWNER not in trial.user_attrs:
        return "foreign"
    return "failed" if trial.state is TrialState.FAIL else trial.state.name.lower()


def count(trials: Iterable[FrozenTrial]) -> TrialCounts:
    """Count the trials of a study; an empty study counts zero everywhere."""
    return TrialCounts(**Counter(map(condition, trials)))
