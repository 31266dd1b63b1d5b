import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import job_functions as do
import pytest
from processes import wait_until_dead

from lightsweep.errors import ConfigError
from lightsweep.launching import Job, JobDied, JobEvent, JobFailed, Outcome, ServerDied
from lightsweep.launching.warm_server import _servers, shared_server

Run = Callable[..., list[Outcome]]


def values(outcomes: list[Outcome]) -> list[object]:
    assert [outcome.error for outcome in outcomes] == [None] * len(outcomes)
    return [outcome.value for outcome in outcomes]


def test_no_jobs_give_no_outcomes(run: Run) -> None:
    assert run() == []


def test_a_slot_never_holds_two_jobs(run: Run, tmp_path: Path) -> None:
    used = values(run(*[(do.hold_slot, tmp_path)] * 16, fake_gpus=2, slots_per_gpu=2))
    assert set(used) == {("0", "0"), ("1", "1"), ("2", "0"), ("3", "1")}


def test_a_job_of_two_devices_sees_both(run: Run, tmp_path: Path) -> None:
    used = values(run(*[(do.hold_slot, tmp_path)] * 6, fake_gpus=4, devices_per_job=2))
    assert set(used) == {("0", "0,1"), ("1", "2,3")}


def test_outcomes_keep_the_order_of_the_jobs(run: Run, tmp_path: Path) -> None:
    calls = [(do.after_the_next, tmp_path, number, 3) for number in range(4)]
    assert values(run(*calls, num_slots=4)) == [0, 1, 2, 3]


def test_a_freed_slot_goes_on_while_another_job_still_runs(run: Run, tmp_path: Path) -> None:
    slow = (do.wait_for_file, tmp_path, "last")
    quick = [(do.touch, tmp_path, name) for name in ("first", "second", "last")]
    assert values(run(slow, *quick)) == ["last", "first", "second", "last"]


def test_jobs_that_have_not_started_are_dropped_when_one_says_that_it_is_the_last(run: Run, tmp_path: Path) -> None:
    calls = [(do.touch, tmp_path, name) for name in ("a", "last", "b", "c")]
    outcomes = run(*calls, num_slots=1, is_last=lambda outcome: outcome.value == "last")
    assert outcomes == [Outcome("a"), Outcome("last"), Outcome(dropped=True), Outcome(dropped=True)]
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_killed_job_costs_itself_only(run: Run, tmp_path: Path, number: signal.Signals) -> None:
    calls = [(do.touch, tmp_path, "a"), (do.kill_self, number), (do.touch, tmp_path, "b"), (do.touch, tmp_path, "c")]
    outcomes = run(*calls)
    error = outcomes.pop(1).error
    assert isinstance(error, JobDied)
    assert str(error).startswith(f"job 1 was killed by signal {number.value} ({number.name})")
    assert error.exit_code_of_job == -number
    assert values(outcomes) == ["a", "b", "c"]


def test_a_segmentation_fault_costs_the_job_only_and_is_located(
    run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outcomes = run((do.read_null_pointer,), (do.touch, tmp_path, "a"))
    assert "SIGSEGV" in str(outcomes[0].error)
    assert values(outcomes[1:]) == ["a"]
    assert "read_null_pointer" in capfd.readouterr().err


def test_an_exit_without_answer_is_a_death(run: Run) -> None:
    [outcome] = run((do.leave_at_once, 7))
    assert isinstance(outcome.error, JobDied)
    assert str(outcome.error) == "job 0 ended its process with exit code 7 before it had returned"


def test_an_exception_comes_back_with_its_traceback(run: Run) -> None:
    [outcome] = run((do.fail, "too bad"))
    assert isinstance(outcome.error, ValueError)
    assert str(outcome.error) == "too bad"
    text = str(outcome.error.__cause__)
    assert "in fail" in text
    assert "job_functions.py" in text


def test_an_exception_that_cannot_be_sent_comes_back_as_text(run: Run) -> None:
    [outcome] = run((do.fail_stubbornly,))
    assert isinstance(outcome.error, JobFailed)
    assert str(outcome.error) == "job_functions.Stubborn: 1 and 2"
    assert "in fail_stubbornly" in str(outcome.error.__cause__)


@pytest.mark.parametrize(
    ("call", "text"),
    [((do.leave, 3), "SystemExit: 3"), ((do.leave, 0), "SystemExit: 0"), ((do.interrupt,), "KeyboardInterrupt")],
)
def test_a_job_that_exits_does_not_end_the_pool(run: Run, call: tuple, text: str) -> None:
    [outcome] = run(call)
    assert isinstance(outcome.error, JobFailed)
    assert str(outcome.error) == text


def test_a_value_that_cannot_be_sent_is_an_error(run: Run) -> None:
    [outcome] = run((do.give_back_a_lock,))
    assert isinstance(outcome.error, TypeError)
    assert "its value of type lock cannot be sent back" in str(outcome.error.__cause__)


def test_what_a_job_leaves_running_ends_with_it(run: Run) -> None:
    [pid] = values(run((do.start_a_child,)))
    wait_until_dead(lambda: [pid])


def test_a_worker_has_the_surroundings_of_the_launching_process(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run((do.surroundings,))  # the server is there before the changes
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["program.py", "lr=0.1"])
    monkeypatch.setattr(sys, "path", [*sys.path, "/somewhere"])
    monkeypatch.setenv("LIGHTSWEEP_TEST", "new")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("PYTORCH_NVML_BASED_CUDA_CHECK", raising=False)  # Lightning sets it where it is imported
    first, second = values(run((do.surroundings,), (do.surroundings,)))
    assert first["argv"] == ["program.py", "lr=0.1"]
    assert first["path"] == sys.path
    assert first["folder"] == str(tmp_path)
    assert first["environ"]["LIGHTSWEEP_TEST"] == "new"
    assert "HOME" not in first["environ"]
    assert first["environ"]["OMP_NUM_THREADS"] == "1"
    assert (first["environ"]["LIGHTSWEEP_SLOT"], first["environ"]["LIGHTSWEEP_NUM_SLOTS"]) == ("0", "2")
    assert "PYTORCH_NVML_BASED_CUDA_CHECK" not in first["environ"]
    assert first["main"] == getattr(sys.modules["__main__"], "__file__", None)
    assert first["group"] == first["pid"] != second["pid"]
    assert first["signals"] == set()


def test_a_cpu_slot_of_a_machine_without_gpus_leaves_their_variable_alone(run: Run) -> None:
    [seen] = values(run((do.surroundings,)))
    assert seen["environ"].get("CUDA_VISIBLE_DEVICES") == os.environ.get("CUDA_VISIBLE_DEVICES")


def test_forks_draw_different_random_numbers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("PYTORCH_NVML_BASED_CUDA_CHECK", raising=False)  # Lightning sets it where it is imported
    first, second = values(run(*[(do.random_numbers,)] * 2, preload=("torch", "numpy"), num_slots=1))
    assert all(one != other for one, other in zip(first[:3], second[:3], strict=True))
    assert first[3] == 2  # threads: one slot has both cores


def test_events_tell_the_story_of_each_job(run: Run) -> None:
    events: list[JobEvent] = []
    run((do.fail, "a"), (do.fail, "b"), num_slots=1, on_event=events.append)
    assert [(event.job.number, event.outcome is not None) for event in events] == [
        (0, False),
        (0, True),
        (1, False),
        (1, True),
    ]
    assert {event.slot.name for event in events} == {"cpu slot 0"}


def test_an_error_in_an_observer_ends_the_jobs_and_is_raised(run: Run, tmp_path: Path) -> None:
    pids: list[int] = []

    def observe(event: JobEvent) -> None:
        pids.append(event.pid)
        raise RuntimeError("the view broke")

    with pytest.raises(RuntimeError, match="the view broke"):
        run((do.report_and_sleep, tmp_path, "a"), on_event=observe)
    wait_until_dead(lambda: pids)


def test_a_signal_at_the_last_jobs_end_is_obeyed_too(run: Run, tmp_path: Path) -> None:
    def terminate(event: JobEvent) -> None:
        if event.outcome is not None:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run((do.touch, tmp_path, "a"), on_event=terminate)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_starts_are_logged_in_one_line_each(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        run((do.leave_at_once, 0), fake_gpus=1)
    assert "job 0 started on gpu 0 slot 0 : call=0" in caplog.messages


def test_a_job_without_a_label_is_told_without_one() -> None:
    assert Job(3, b"").said("is done") == "job 3 is done"
    assert Job(3, b"", label="lr=1").said("is done") == "job 3 is done : lr=1"


def test_a_killed_server_costs_its_running_jobs_only(run: Run, tmp_path: Path) -> None:
    server = shared_server(())

    def kill_server(event: JobEvent) -> None:
        if event.outcome is None and event.job.number == 1:
            server._process.kill()  # its workers live on

    outcomes = run(
        (do.touch, tmp_path, "a"),
        (do.report_and_sleep, tmp_path, "c"),
        (do.touch, tmp_path, "b"),
        on_event=kill_server,
        num_slots=1,
    )
    assert str(outcomes.pop(1).error) == "job 1 lost its process: the server that started it was killed"
    assert values(outcomes) == ["a", "b"]


def test_a_signal_is_obeyed_though_the_server_has_died_meanwhile(run: Run, tmp_path: Path) -> None:
    server = shared_server(())

    def kill_server_and_interrupt(event: JobEvent) -> None:
        if event.outcome is None:
            server._process.kill()  # its workers live on
            server.obituary()  # waits for its end
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit, match="143"):
        run(
            (do.report_and_sleep, tmp_path, "a"),
            (do.touch, tmp_path, "b"),
            on_event=kill_server_and_interrupt,
            num_slots=1,
        )
    assert server in _servers.values(), "there is no new one, for which there is nothing to do"


def test_a_module_that_is_not_installed_is_left_out(run: Run, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    assert values(run((do.touch, tmp_path, "a"), preload=("no_such_module", "no_such_package.module"))) == ["a"]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_module_that_breaks_while_preloading_is_named(
    run: Run, caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_module.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    assert values(run((do.touch, tmp_path, "a"), preload=("broken_module",))) == ["a"]
    assert "could not preload broken_module: ZeroDivisionError: division by zero" in caplog.messages


def test_a_module_that_starts_cuda_is_refused(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "greedy_module.py").write_text(
        "import sys, types\n"
        "sys.modules['torch'] = types.SimpleNamespace(cuda=types.SimpleNamespace(is_initialized=lambda: True))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for _ in range(2):  # by the next launch of the same process too
        with pytest.raises(ConfigError, match="importing greedy_module starts CUDA"):
            run((do.touch, tmp_path, "a"), preload=("greedy_module",))


@pytest.mark.parametrize(
    ("end", "told"),
    [("os._exit(5)", "ended with exit code 5"), ("os.kill(os.getpid(), 40)", r"was killed by signal 40 \(unnamed\)")],
)
def test_a_server_that_ends_before_it_is_ready_is_an_error(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, told: str
) -> None:
    (tmp_path / "leaving_module.py").write_text(f"import os; {end}")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ServerDied, match=f"warm server {told}"):
        run((do.touch, tmp_path, "a"), preload=("leaving_module",))


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_a_program_without_standard_streams_has_its_jobs_done(closed: str, tmp_path: Path) -> None:
    program = (
        "import operator, sys; from pathlib import Path; from lightsweep.launching import Job, Machine, Pool; "
        "from lightsweep.launching import SlotSettings, plan_slots; import cloudpickle; "
        "slots = plan_slots(SlotSettings(num_workers=1), Machine(gpus=(), num_cores=1, memory_gib=None)); "
        "[done] = Pool(slots, ()).run([Job(0, cloudpickle.dumps(operator.add), (1, 2))]); "
        "Path(sys.argv[1]).write_text(str(done))"
    )
    told = tmp_path / "told"
    command = ["bash", "-c", f'"$0" -c "$1" "$2" {closed}', sys.executable, program, str(told)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert told.read_text() == str(Outcome(3))
