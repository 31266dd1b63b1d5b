"""The loop around Ray and SLURM, with a carrier that runs errands here or loses them as a test says."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, NoReturn

import cloudpickle
import pytest

from lightsweep.errors import Interrupted
from lightsweep.launching import Job, JobDied, Outcome
from lightsweep.launching.outcome import read_answer
from lightsweep.launching.remote import Errand, run_remotely


class HereCarrier:
    """Ends errands one a look, the last sent first; those of `losses` are lost so many times."""

    def __init__(self, losses: Mapping[int, int] | None = None) -> None:
        self.losses = dict(losses or {})
        self.cancelled: list[tuple[int, bool]] = []
        self.dies_on_signal = True

    def send(self, errands: Sequence[Errand]) -> Sequence[Errand]:
        return errands

    def ended(self, handles: Sequence[Errand]) -> Mapping[Errand, Outcome]:
        last = handles[-1]
        if self.cancelled:
            return {handle: Outcome(error=JobDied("ended")) for handle in handles if self.dies_on_signal}
        if self.losses.get(last.number, 0) > last.attempt:
            return {last: Outcome(error=JobDied("was lost"))}
        return {last: read_answer(last())}

    def cancel(self, handles: Sequence[Errand], kill: bool) -> None:
        self.cancelled += [(handle.number, kill) for handle in handles]


def job(number: int, function: Any, *args: Any) -> Job:
    return Job(number, cloudpickle.dumps(function), args)


def attempt_and_square(number: int) -> tuple[str, int]:
    return os.environ["LIGHTSWEEP_ATTEMPT"], number**2


def stop(error: BaseException) -> NoReturn:
    raise error


def interrupt_launcher() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_results_come_in_the_order_of_the_jobs_and_lost_ones_are_started_again() -> None:
    jobs = [job(number, attempt_and_square, number) for number in (4, 5, 6, 7)]

    outcomes = run_remotely(jobs, HereCarrier(losses={5: 2, 7: 1}), max_retries=2, grace_s=1)

    assert [outcome.value for outcome in outcomes] == [("0", 16), ("2", 25), ("0", 36), ("1", 49)]


def test_a_job_that_is_lost_too_often_is_an_error_in_its_place() -> None:
    jobs = [job(number, attempt_and_square, number) for number in (0, 1, 2)]

    outcomes = run_remotely(jobs, HereCarrier(losses={1: 9}), max_retries=2, grace_s=1)

    assert [outcome.value for outcome in outcomes] == [("0", 0), None, ("0", 4)]
    assert isinstance(outcomes[1].error, JobDied)
    assert str(outcomes[1].error) == "job 1 was lost"


@pytest.mark.parametrize(
    ("error", "number"),
    [(SystemExit(143), 15), (Interrupted(12), 12), (KeyboardInterrupt(), 2), (SystemExit(1), None), (OSError(), None)],
)
def test_a_job_that_a_signal_ended_counts_as_lost_and_one_that_failed_does_not(
    error: BaseException, number: int | None
) -> None:
    outcome = read_answer(Errand.of(job(3, stop, error))())

    assert isinstance(outcome.error, JobDied) == (number is not None)
    if number is not None:
        assert str(outcome.error) == f"was interrupted by signal {number}"


def test_an_errand_finds_the_launching_programs_surroundings_and_leaves_main_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    program = tmp_path / "program.py"
    program.touch()
    main = ModuleType("__main__")
    main.__file__ = str(program)
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(sys, "argv", ["program.py", "-cn", "other", "hydra.sweeper.storage=mysql://me:secret@db/x"])
    monkeypatch.chdir(tmp_path)
    errand = Errand.of(job(0, lambda: (list(sys.argv), os.getcwd(), sys.modules["__main__"].__file__)))
    monkeypatch.chdir("/")
    sys.argv[:] = ["other"]

    argv, folder, file = read_answer(errand()).value

    assert (argv, folder, file) == (["program.py", "-cn", "other"], str(tmp_path), str(program))
    assert sys.modules["__main__"] is main


class InterruptedCarrier(HereCarrier):
    """A signal comes while it sends."""

    def send(self, errands: Sequence[Errand]) -> Sequence[Errand]:
        interrupt_launcher()
        return errands


def test_a_signal_during_the_sending_ends_what_was_sent() -> None:
    carrier = InterruptedCarrier()

    with pytest.raises(SystemExit) as ended:
        run_remotely([job(0, attempt_and_square, 0)], carrier, max_retries=0, grace_s=0.05)

    assert ended.value.code == 143
    assert carrier.cancelled == [(0, False)]


def test_a_signal_at_the_last_jobs_end_is_obeyed_too() -> None:
    with pytest.raises(SystemExit) as ended:
        run_remotely([job(0, interrupt_launcher)], HereCarrier(), max_retries=0, grace_s=0.05)

    assert ended.value.code == 143


@pytest.mark.parametrize("obedient", [True, False])
def test_a_signal_ends_the_jobs_and_then_the_launch(obedient: bool) -> None:
    carrier = HereCarrier()
    carrier.dies_on_signal = obedient
    jobs = [job(0, attempt_and_square, 0), job(1, interrupt_launcher)]

    with pytest.raises(SystemExit) as ended:
        run_remotely(jobs, carrier, max_retries=0, grace_s=0.05)

    assert ended.value.code == 143
    assert carrier.cancelled == [(0, False)] + ([] if obedient else [(0, True)])
