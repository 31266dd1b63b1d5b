"""What is printed while a sweep runs: a line for each thing that finishes, read from the study by a thread."""

import sys
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from types import TracebackType

from lightsweep.sweeping.patient_storage import unless_its_server_is_away
from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.rerun import Rerun, RerunResult, results_of
from lightsweep.sweeping.study import study_storage
from lightsweep.sweeping.summary import trial_line

POLL_S = 0.5
Finished = Callable[[], Mapping[Hashable, Callable[[], str]]]


class Progress:
    """Prints a line for each thing that finishes while the body runs.

    Args:
        finished: gives what has finished, each with a function that words its line; what had finished before is not
            printed.
    """

    def __init__(self, finished: Finished) -> None:
        self._finished = finished
        self._printed: set[Hashable] = set()
        self._stdout = sys.stdout  # a trial in this process turns what it prints, for as long as it runs, into its log
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sweep-progress", daemon=True)

    def __enter__(self) -> "Progress":
        self._printed = set(self._finished())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        with nullcontext() if error is None else suppress(Exception):  # the body's own error is the one to tell
            self._look()

    def _watch(self) -> None:
        while not self._done.wait(POLL_S):
            with unless_its_server_is_away(), suppress(OSError):  # the last look tells, where that ends the sweep
                self._look()

    def _look(self) -> None:
        for key, line in self._finished().items():
            if key not in self._printed:
                self._printed.add(key)
                self._print(line())

    def _print(self, line: str) -> None:
        print(line, file=self._stdout, flush=True)


def finished_trials(plan: Plan) -> Finished:
    """The trials of the study that have finished."""

    def look() -> dict[Hashable, Callable[[], str]]:
        storage, study_id = study_storage(plan)
        trials = storage.get_all_trials(study_id, deepcopy=False)
        return {trial.number: partial(trial_line, trial, plan) for trial in trials if trial.state.is_finished()}

    return look


def finished_reruns(reruns: Sequence[Rerun], plan: Plan) -> Finished:
    """The re-runs that have finished."""

    def look() -> dict[Hashable, Callable[[], str]]:
        return {
            rerun.mark: partial(_rerun_line, rerun, result)
            for rerun, result in zip(reruns, results_of(reruns, plan), strict=True)
            if result is not None and result.is_final
        }

    return look


def _rerun_line(rerun: Rerun, result: RerunResult) -> str:
    came_to = result.reason if result.value is None else f"{result.value:.6g}"
    return f"trial {rerun.trial} again, seed {rerun.seed}  {result.state}  {came_to}"
