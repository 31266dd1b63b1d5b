"""A storage on a server that may be away for a while: every call waits and is made again until the server answers.

A call whose answer was lost may have been carried out. Writing an attribute, a parameter or a report again changes
nothing; a new trial carries a token by which it is found, and a trial that has the wanted end by now was ended by us.
"""

import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from lightsweep.errors import signal_of

TOKEN = "lightsweep:token"
PATIENCE_S = 900.0
"""How long a call waits for the server before it fails: a restart or a failover is over by then."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_ENDING = threading.Event()
"""Set where a signal has ended the sweep: nobody waits for a server then."""

_Result = TypeVar("_Result")


@contextmanager
def patient_until_interrupted() -> Iterator[None]:
    """No call of this process waits for a server any longer once a signal has ended the body."""
    _ENDING.clear()
    try:
        yield
    except BaseException as end:
        if signal_of(end) is not None:  # a task may exit by itself
            _ENDING.set()
        raise


@contextmanager
def unless_its_server_is_away() -> Iterator[None]:
    """Pass over what could not be carried out for want of the server."""
    try:
        yield
    except Exception as error:
        if not is_connection_loss(error):
            raise


def is_connection_loss(error: BaseException) -> bool:
    """Whether a storage's call failed for want of its server, or lost a race that the server broke off (deadlock)."""
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, PendingRollbackError

    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    # the third: Optuna asks for trials in another way after an OperationalError, within the transaction that it ended
    if isinstance(cause, OperationalError | InterfaceError | PendingRollbackError | ConnectionError):
        return True
    if isinstance(cause, DBAPIError):
        return cause.connection_invalidated
    code = getattr(cause, "code", None)  # of a grpc.RpcError
    return callable(code) and getattr(code(), "name", "") in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED")


def _delegated(name: str) -> Callable[..., Any]:
    def call(self: "PatientStorage", *args: Any, **kwargs: Any) -> Any:
        return self._persist(lambda: getattr(self.storage, name)(*args, **kwargs))

    return call


_NAMES = [name for name, value in vars(BaseStorage).items() if callable(value) and not name.startswith("_")]
_Delegating: Any = type("_Delegating", (BaseStorage,), {name: _delegated(name) for name in _NAMES})


class PatientStorage(_Delegating):
    """Wraps a storage of Optuna's.

    Args:
        storage: the storage on a server.
        name: how messages name it, without a password.
        speaks: say on stderr when the server is away, and when it is back; one process of a sweep is enough.
        patience_s: how long a call waits.
    """

    def __init__(self, storage: BaseStorage, name: str, speaks: bool, patience_s: float = PATIENCE_S) -> None:
        self.storage, self.name, self.speaks, self.patience_s = storage, name, speaks, patience_s
        self._away_since: float | None = None
        self._lock = threading.Lock()

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """As Optuna's; made again after a lost answer, it finds the trial that it has made."""
        token = uuid.uuid4().hex
        template = template_trial or create_trial(state=TrialState.RUNNING)
        template.system_attrs = {**template.system_attrs, TOKEN: token}

        def create() -> int:
            return self.storage.create_new_trial(study_id, template)

        def create_again() -> int:
            for trial in self.storage.get_all_trials(study_id, deepcopy=False):
                if trial.system_attrs.get(TOKEN) == token:
                    return trial._trial_id
            return create()

        return self._persist(create, create_again)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """As Optuna's; made again after a lost answer, it may find its own work done.

        Who started a queued trial cannot be seen afterwards. If that answer is lost, the trial is left running with the
        owner that a claim had noted before, and is an orphan once that process has ended.
        """

        def set_again() -> bool:
            try:
                return self.storage.set_trial_state_values(trial_id, state, values)
            except UpdateFinishedTrialError:
                trial = self.storage.get_trial(trial_id)
                if trial.state != state or (values is not None and list(values) != trial.values):
                    raise
                return True

        return self._persist(lambda: self.storage.set_trial_state_values(trial_id, state, values), set_again)

    def _persist(self, call: Callable[[], _Result], again: Callable[[], _Result] | None = None) -> _Result:
        """Make a call until the server answers; the later times by `again`, where that is another call."""
        result = waited_for(call, self.patience_s, again, self._note_absence)
        self._note_return()
        return result

    def _note_absence(self) -> None:
        with self._lock:
            if self._away_since is None:
                self._away_since = time.monotonic()
                self._say(f"does not answer; trying again for up to {self.patience_s / 60:g} minutes")

    def _note_return(self) -> None:
        if self._away_since is None:
            return
        with self._lock:
            if self._away_since is not None:
                self._say(f"answers again, after {time.monotonic() - self._away_since:.0f} s")
                self._away_since = None

    def _say(self, what: str) -> None:
        if self.speaks:
            print(f"the storage {self.name} {what}", file=sys.stderr, flush=True)


def waited_for(
    call: Callable[[], _Result],
    patience_s: float,
    again: Callable[[], _Result] | None = None,
    on_loss: Callable[[], None] = lambda: None,
) -> _Result:
    """What a call gives, made until the server answers; the later times by `again`, where that is another call."""
    pause_s, until = _FIRST_PAUSE_S, time.monotonic() + patience_s
    while True:
        try:
            return call()
        except Exception as error:
            if not is_connection_loss(error) or time.monotonic() >= until or _ENDING.is_set():
                raise
        on_loss()
        call = call if again is None else again
        _ENDING.wait(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
