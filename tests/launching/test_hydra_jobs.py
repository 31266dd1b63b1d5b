import pytest
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from lightsweep.errors import ConfigError
from lightsweep.launching import Outcome
from lightsweep.launching.hydra_jobs import (
    LauncherConfigError,
    devices_per_job,
    hydra_errors,
    job_return,
    says_no_more,
    single_run_argv,
)
from lightsweep.launching.outcome import pack_error
from lightsweep.launching.run_job import NoMore


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["train.py", "-m", "lr=1,2", "hydra/launcher=local"], ["train.py", "lr=1"]),
        (["train.py", "--multirun", "-cn", "other", "lr=1,2"], ["train.py", "-cn", "other", "lr=1"]),
        (
            ["train.py", "--config-dir=conf", "-m", "--config-name", "a"],
            ["train.py", "--config-dir=conf", "--config-name", "a", "lr=1"],
        ),
        (["pytest", "tests", "-q", "-k", "name"], ["pytest", "lr=1"]),
    ],
)
def test_the_command_line_of_a_job_is_that_of_a_single_run(argv: list[str], expected: list[str]) -> None:
    assert single_run_argv(argv, ["lr=1"]) == expected


def test_a_returned_job_is_given_on_as_it_is() -> None:
    result = JobReturn(overrides=["lr=1"], status=JobStatus.COMPLETED)
    result.return_value = 0.5
    assert job_return(Outcome(result), ["lr=1"]) is result


def test_a_failed_job_keeps_its_config_and_gets_its_error_back() -> None:
    result = JobReturn(overrides=["lr=1"], working_dir="somewhere", status=JobStatus.FAILED)
    result.return_value = pack_error(ValueError("no"))
    given = job_return(Outcome(result), ["lr=1"])
    assert given.working_dir == "somewhere"
    with pytest.raises(ValueError, match="no"):
        _ = given.return_value


def test_a_dead_job_is_failed_with_its_overrides() -> None:
    given = job_return(Outcome(error=RuntimeError("gone")), ["lr=1"])
    assert (given.status, given.overrides) == (JobStatus.FAILED, ["lr=1"])
    with pytest.raises(RuntimeError, match="gone"):
        _ = given.return_value


def test_a_dropped_job_has_returned_nothing_and_not_failed() -> None:
    given = job_return(Outcome(dropped=True), ["lr=1"])
    assert (given.status, given.overrides, given.return_value) == (JobStatus.COMPLETED, ["lr=1"], None)


@pytest.mark.parametrize(("returned", "expected"), [(NoMore(), True), (None, False), (0.5, False)])
def test_a_job_says_by_what_it_returns_that_no_other_need_start(returned: object, expected: bool) -> None:
    result = JobReturn(status=JobStatus.COMPLETED, _return_value=returned)
    assert says_no_more(Outcome(result)) is expected
    assert not says_no_more(Outcome(error=RuntimeError("gone")))


def test_errors_in_settings_are_both_ours_and_hydras() -> None:
    with pytest.raises(LauncherConfigError, match="wrong"), hydra_errors():
        raise ConfigError("wrong")
    assert issubclass(LauncherConfigError, ConfigError)


@pytest.mark.parametrize(
    ("given", "devices", "lines", "expected"),
    [
        (None, 2, [], 2),
        (None, "2", [], 2),
        (None, "auto", [], 1),
        (None, -1, [], 1),
        (None, [0, 1], [], 1),
        (None, None, [], 1),
        (4, 2, [], 4),
        (2, "auto", ["trainer.devices=2", "lr=3"], 2),
    ],
)
def test_a_slot_has_the_devices_that_a_job_trains_on(given, devices, lines, expected) -> None:
    config = OmegaConf.create({} if devices is None else {"trainer": {"devices": devices}})
    assert devices_per_job(given, config, [lines, []]) == expected


@pytest.mark.parametrize(("given", "devices", "lines"), [(1, 2, []), (None, 1, ["+trainer.devices=2"])])
def test_a_slot_with_fewer_devices_than_a_job_is_refused(given, devices, lines) -> None:
    config = OmegaConf.create({"trainer": {"devices": devices}})
    with pytest.raises(LauncherConfigError, match=r"must be at least trainer\.devices, which is 2, but got 1$"):
        devices_per_job(given, config, [["lr=3"], lines])
