import signal

import cloudpickle
import pytest

from lightsweep.errors import ConfigError, Diverged
from lightsweep.launching import JobDied, JobFailed
from lightsweep.launching.outcome import death, pack_error, read_answer, unpack_error


def caught(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as raised:
        return raised


def test_an_error_survives_the_way_with_type_text_and_traceback() -> None:
    error = unpack_error(pack_error(caught(Diverged(step=7, lr=0.1, loss=float("nan"), last_finite_loss=None))))
    assert isinstance(error, Diverged)
    assert error.step == 7
    assert "in caught" in str(error.__cause__)


def test_an_error_is_summed_up_by_type_and_text_and_one_of_our_own_by_its_text() -> None:
    assert pack_error(KeyError("a")).summary == "KeyError: 'a'"
    assert pack_error(ConfigError("`seed` must be a whole number")).summary == "`seed` must be a whole number"


def test_a_value_survives_the_way() -> None:
    assert read_answer(cloudpickle.dumps({"accuracy": 0.5})).value == {"accuracy": 0.5}
    assert read_answer(cloudpickle.dumps(None)).error is None


def test_an_error_packed_as_an_answer_is_an_error_again() -> None:
    assert isinstance(read_answer(cloudpickle.dumps(pack_error(KeyError("a")))).error, KeyError)


def test_an_answer_that_cannot_be_read_is_an_error() -> None:
    error = read_answer(b"no pickle").error
    assert error is not None
    assert error.__notes__ == ["the job ended well, but its value cannot be read in the launching process"]


def test_exits_come_back_as_failures() -> None:
    error = unpack_error(pack_error(caught(SystemExit("bye"))))
    assert isinstance(error, JobFailed)
    assert str(error) == "SystemExit: bye"


@pytest.mark.parametrize(
    ("exit_code", "text"),
    [
        (-signal.SIGKILL, "job 4 was killed by signal 9 (SIGKILL), by hand or because memory ran out"),
        (-signal.SIGSEGV, "job 4 was killed by signal 11 (SIGSEGV)"),
        (-40, "job 4 was killed by signal 40 (unnamed)"),
        (0, "job 4 ended its process with exit code 0 before it had returned"),
        (None, "job 4 lost its process: the server that started it was killed"),
    ],
)
def test_a_death_is_told_in_one_line(exit_code: int | None, text: str) -> None:
    error = death(4, exit_code)
    assert str(error) == text
    assert error.exit_code_of_job == exit_code


def test_who_was_asked_to_end_and_had_to_be_killed_was_not_out_of_memory() -> None:
    told = str(death(4, -signal.SIGKILL, stopped=True))
    assert told == "job 4 was killed by signal 9 (SIGKILL), as it had not ended in time"


def test_a_death_can_be_pickled() -> None:
    error = unpack_error(pack_error(death(4, -9)))
    assert isinstance(error, JobDied)
    assert error.exit_code_of_job == -9
