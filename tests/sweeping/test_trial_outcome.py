"""What a return value or an exception of the application makes of its trial, whatever these objects do when asked."""

import numpy as np
import pytest
import torch
from hydra.core.utils import JobReturn, JobStatus
from optuna.trial import TrialState

from lightsweep.errors import RankDied
from lightsweep.sweeping.task_run import write_error
from lightsweep.sweeping.trial_outcome import TrialOutcome, outcome_of_full_disk, outcome_of_return


class Speechless:
    def __float__(self) -> float:
        raise KeyError("no number")

    def __str__(self) -> str:
        raise RuntimeError("no text")


class SpeechlessError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def returned(value: object, num_directions: int = 1) -> TrialOutcome:
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


@pytest.mark.parametrize(("code", "lost"), [(-9, True), (-11, True), (1, False)])
def test_a_killed_rank_is_a_lost_process_and_one_that_ended_by_itself_a_failure(code, lost):
    outcome = returned(RankDied(1, code, None))
    assert (outcome.state, outcome.lost) == (TrialState.FAIL, lost)
    assert "rank 1 " in outcome.reason


@pytest.mark.parametrize("value", [[1.5, 2], (1.5, 2), np.array([1.5, 2]), torch.tensor([1.5, 2])])
def test_sequence_array_or_tensor_is_a_number_for_each_direction(value):
    assert returned(value, 2) == TrialOutcome(TrialState.COMPLETE, (1.5, 2.0))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (1.5, "the task returned '1.5' (float); it must return 2 numbers, one a direction"),
        (np.array(1.5), "the task returned '1.5' (ndarray); it must return 2 numbers, one a direction"),
        ("ab", "the task returned 'ab' (str); it must return 2 numbers, one a direction"),
        ([1, 2, 3], "the task returned 3 numbers; it must return 2, one a direction"),
        (np.ones((2, 2)), "the task returned '[1.0, 1.0]' (list); it must return a number"),
    ],
)
def test_other_than_a_number_for_each_direction_is_a_failure(value, reason):
    assert returned(value, 2) == TrialOutcome(TrialState.FAIL, reason=reason)


def test_a_missing_file_ends_the_sweep_where_the_trials_folder_is_gone_with_it(tmp_path):
    folder = tmp_path / "3"
    missing = FileNotFoundError(2, "No such file or directory", str(folder / "table.csv"))

    gone = outcome_of_full_disk(missing, folder)
    folder.mkdir()

    assert gone.from_outside
    assert gone.failure is missing
    assert outcome_of_full_disk(missing, folder) is None
