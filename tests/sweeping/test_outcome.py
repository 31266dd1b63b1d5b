"""What a return value or an exception of the application makes of its trial, whatever these objects do when asked."""

import pytest
from hydra.core.utils import JobReturn, JobStatus
from optuna.trial import TrialState

from lightsweep.sweeping.outcome import Outcome, outcome_of_return
from lightsweep.sweeping.task_run import write_error


class Speechless:
    def __float__(self) -> float:
        raise KeyError("no number")

    def __str__(self) -> str:
        raise RuntimeError("no text")


class SpeechlessError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def returned(value: object, num_directions: int = 1) -> Outcome:
    status = JobStatus.FAILED if isinstance(value, Exception) else JobStatus.COMPLETED
    return outcome_of_return(JobReturn(status=status, _return_value=value), num_directions, None)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (10**5000, "the task returned a number that is too large for a float"),
        (Speechless(), "the task returned '<no text>' (Speechless); it must return a number"),
        (SpeechlessError(), "SpeechlessError: <no text>"),
        (RuntimeError("file \udcff"), "RuntimeError: file \\udcff"),
    ],
    ids=["too large", "value", "error", "half a character"],
)
def test_odd_object_fails_its_trial_with_a_reason_that_any_file_takes(value, reason, tmp_path):
    outcome = returned(value)
    assert outcome.state is TrialState.FAIL
    assert outcome.reason == reason
    write_error(tmp_path, JobReturn(status=JobStatus.FAILED, _return_value=value))
    assert (tmp_path / "error.txt").exists() == isinstance(value, Exception)
