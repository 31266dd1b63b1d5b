"""What is shown while a sweep runs: a line for each trial that finishes, read from the study by a thread."""

import threading
from types import TracebackType

from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.study import study_storage
from lightsweep.sweeping.summary import trial_line

POLL_S = 0.5


class Progress:
    """Prints a line for each trial that finishes while the body runs.

    Args:
        plan: the sweep; trials that had finished before are not printed again.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._printed: set[int] = set()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sweep-progress", daemon=True)

    def __enter__(self) -> "Progress":
        self._printed = {trial.number for trial in self._finished()}
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        self._print_new()

    def _watch(self) -> None:
        while not self._done.wait(POLL_S):
            self._print_new()

    def _print_new(self) -> None:
        for trial in self._finished():
            if trial.number not in self._printed:
                self._printed.add(trial.number)
                print(trial_line(trial, self._plan), flush=True)

    def _finished(self) -> list:
        storage, study_id = study_storage(self._plan)
        return [trial for trial in storage.get_all_trials(study_id, deepcopy=False) if trial.state.is_finished()]
