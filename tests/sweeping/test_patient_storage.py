"""A storage whose server goes away: calls are made again, and those that were carried out unheard are not doubled."""

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState, create_trial
from sqlalchemy.exc import OperationalError, PendingRollbackError

from lightsweep.sweeping import patient_storage
from lightsweep.sweeping.patient_storage import PatientStorage, patient_until_interrupted


class Flaky(InMemoryStorage):
    """Loses connections: before a call is carried out, or after, when its answer is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[str] = []

    def __getattribute__(self, name: str):
        found = super().__getattribute__(name)
        if name.startswith("_") or name == "losses" or not callable(found):
            return found

        def call(*args, **kwargs):
            loss = self.losses.pop(0) if self.losses else None
            if loss == "before":
                raise OperationalError("lost", None, Exception("gone"))
            result = found(*args, **kwargs)
            if loss == "after":
                raise OperationalError("lost", None, Exception("gone"))
            return result

        return call


@pytest.fixture
def flaky(monkeypatch) -> Flaky:
    monkeypatch.setattr(patient_storage, "_FIRST_PAUSE_S", 0.001)
    return Flaky()


@pytest.mark.parametrize("loss", ["before", "after"])
def test_nothing_is_lost_or_doubled_whatever_call_the_connection_breaks(flaky, loss):
    study = optuna.create_study(storage=PatientStorage(flaky, "db", speaks=False))
    num_calls = 0
    for broken in range(200):
        flaky.losses = [""] * broken + [loss, loss]
        trial = study.ask({"x": FloatDistribution(0, 1000)})
        trial.report(0.5, 1)
        trial.set_user_attr("a", 1)
        study.tell(trial, broken)
        num_calls = broken
        if flaky.losses:  # so many calls were not made
            break
    else:
        pytest.fail("not every call was broken")
    trials = study.trials
    assert num_calls > 5
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * (num_calls + 1)
    assert [trial.value for trial in trials] == list(range(num_calls + 1))


def test_a_transaction_that_the_loss_has_ended_is_a_loss_too(flaky, monkeypatch):
    """Optuna lists trials in another way after an OperationalError, in the same transaction."""
    list_trials = InMemoryStorage.get_all_trials
    breaks = [True]

    def broken_once(self, *args, **kwargs):
        if breaks:
            breaks.clear()
            raise optuna.exceptions.StorageInternalError("commit") from PendingRollbackError("invalid transaction")
        return list_trials(self, *args, **kwargs)

    study = optuna.create_study(storage=PatientStorage(flaky, "db", speaks=False))
    monkeypatch.setattr(InMemoryStorage, "get_all_trials", broken_once)
    assert study.trials == []
    assert not breaks


def test_trial_that_somebody_else_ended_is_not_taken_for_our_own_end(flaky):
    storage = PatientStorage(flaky, "db", speaks=False)
    study = optuna.create_study(storage=storage)
    trial_id = study.ask()._trial_id
    InMemoryStorage.set_trial_state_values(flaky, trial_id, TrialState.FAIL)
    flaky.losses = ["before"]
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError, match="already finished"):
        storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [1.0])


def test_patience_ends(flaky):
    storage = PatientStorage(flaky, "db", speaks=False, patience_s=0.05)
    flaky.losses = ["before"] * 10_000
    with pytest.raises(OperationalError, match="gone"):
        storage.get_all_studies()


def test_nobody_waits_once_a_signal_has_ended_the_sweep(flaky):
    storage = PatientStorage(flaky, "db", speaks=False)
    flaky.losses = ["before"] * 10_000
    with pytest.raises(KeyboardInterrupt), patient_until_interrupted():
        raise KeyboardInterrupt
    with pytest.raises(OperationalError, match="gone"):
        storage.get_all_studies()
    flaky.losses = ["before"]
    with patient_until_interrupted():
        assert storage.get_all_studies() == []


def test_the_end_of_a_trial_that_exits_by_itself_waits_for_the_server(flaky):
    storage = PatientStorage(flaky, "db", speaks=False)
    with pytest.raises(SystemExit), patient_until_interrupted():
        raise SystemExit(3)
    flaky.losses = ["before"]
    assert storage.get_all_studies() == []


def test_other_errors_are_raised_at_once(flaky):
    with pytest.raises(KeyError, match="nowhere"):
        PatientStorage(flaky, "db", speaks=False).get_study_id_from_name("nowhere")


def test_only_the_sweep_tells_of_an_absence_and_once(flaky, capsys):
    for speaks in (False, True):
        flaky.losses = ["before"] * 3
        PatientStorage(flaky, "db", speaks=speaks).get_all_studies()
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["the storage db does not answer; trying again for up to 15 minutes",
                     "the storage db answers again, after 0 s"]  # fmt: skip


def test_queued_trial_keeps_what_it_came_with(flaky):
    storage = PatientStorage(flaky, "db", speaks=False)
    study = optuna.create_study(storage=storage)
    queued = create_trial(state=TrialState.WAITING, user_attrs={"a": 1}, system_attrs={"fixed_params": {"x": 1.0}})
    flaky.losses = ["after"]
    study.add_trial(queued)
    (trial,) = study.trials
    assert (trial.state, trial.user_attrs) == (TrialState.WAITING, {"a": 1})
    assert trial.system_attrs["fixed_params"] == {"x": 1.0}


def test_queued_trial_whose_start_was_not_heard_of_is_left_running(flaky):
    """Nobody can tell who started it: it is an orphan once the process has ended that a claim had noted before."""
    storage = PatientStorage(flaky, "db", speaks=False)
    study = optuna.create_study(storage=storage)
    study.enqueue_trial({"x": 1.0})
    waiting = study.trials[0]._trial_id
    flaky.losses = ["after"]
    assert storage.set_trial_state_values(waiting, TrialState.RUNNING) is False
    assert study.trials[0].state is TrialState.RUNNING
