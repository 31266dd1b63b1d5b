"""What becomes of the jobs when the launching process is interrupted or dies, tried on real processes from outside."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import is_alive, marked, wait_until_dead

HERE = Path(__file__).parent
PROGRAM = """
import sys
from pathlib import Path
import cloudpickle
import job_functions
from lightsweep.launching import Job, Machine, Pool, SlotSettings, plan_slots

folder, function, grace_s = Path(sys.argv[1]), getattr(job_functions, sys.argv[2]), float(sys.argv[3])
slots = plan_slots(SlotSettings(num_workers=2), Machine(gpus=(), num_cores=2, memory_gib=None))
jobs = [Job(number, cloudpickle.dumps(function), (folder, name)) for number, name in enumerate("abc")]
try:
    Pool(slots, grace_s=grace_s).run(jobs)
except KeyboardInterrupt:
    (folder / "told").write_text("KeyboardInterrupt")
    sys.exit(130)
"""


class Program:
    """A process that launches three jobs in two slots; all processes that come of it carry a mark."""

    def __init__(self, folder: Path, function: str, grace_s: float = 1000.0) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder), function, str(grace_s)],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path]),
                "LIGHTSWEEP_TEST_MARK": self.mark,
            },
            stderr=subprocess.DEVNULL,
        )
        for name in "ab":
            self.wait_for(f"{name}.runs")

    def wait_for(self, name: str) -> None:
        end = time.monotonic() + 30
        while not (self.folder / name).exists():
            assert time.monotonic() < end, f"{name} never came"
            assert self.process.poll() is None, "the program ended early"
            time.sleep(0.01)

    def server_pid(self) -> int:
        parents = {
            pid: int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in marked(self.mark)
        }
        [server] = [pid for pid, parent in parents.items() if parent == self.process.pid]
        return server

    def end(self) -> int:
        """Wait for the program's own end, then for the end of all that it started."""
        code = self.process.wait(30)
        wait_until_dead(lambda: marked(self.mark))
        return code


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    started: list[Program] = []
    yield started
    for program in started:
        for pid in marked(program.mark):
            os.kill(pid, signal.SIGKILL)
        program.process.wait()


@pytest.mark.parametrize("function", ["report_and_sleep", "ignore_signals_and_sleep", "hold_the_interpreter"])
def test_nothing_outlives_a_killed_parent(function: str, tmp_path: Path, programs: list[Program]) -> None:
    program = Program(tmp_path, function)
    programs.append(program)
    assert len(marked(program.mark)) >= 4  # itself, the server, two workers
    program.process.kill()
    assert program.end() == -signal.SIGKILL


def test_nothing_outlives_a_parent_that_dies_together_with_its_server(tmp_path: Path, programs: list[Program]) -> None:
    program = Program(tmp_path, "ignore_signals_and_sleep")
    programs.append(program)
    for pid in (program.server_pid(), program.process.pid):
        os.kill(pid, signal.SIGKILL)
    program.end()


def test_nothing_outlives_a_parent_that_dies_while_the_server_imports(tmp_path: Path, programs: list[Program]) -> None:
    for name in "ab":
        (tmp_path / f"{name}.runs").touch()  # do not wait for the jobs
    program = Program(tmp_path, "report_and_sleep")
    programs.append(program)
    program.process.kill()
    program.end()


def test_ctrl_c_interrupts_the_jobs_and_then_the_program(tmp_path: Path, programs: list[Program]) -> None:
    program = Program(tmp_path, "report_and_sleep")
    programs.append(program)
    program.process.send_signal(signal.SIGINT)
    assert program.end() == 130
    assert (tmp_path / "a.ended").read_text() == "KeyboardInterrupt"
    assert (tmp_path / "b.ended").read_text() == "KeyboardInterrupt"
    assert (tmp_path / "told").exists()
    assert not (tmp_path / "c.runs").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_jobs_and_exits_with_its_code(
    number: signal.Signals, tmp_path: Path, programs: list[Program]
) -> None:
    program = Program(tmp_path, "report_and_sleep")
    programs.append(program)
    program.process.send_signal(number)
    assert program.end() == 128 + number
    assert not (tmp_path / "c.runs").exists()


def test_jobs_that_ignore_ctrl_c_are_killed_after_their_grace(tmp_path: Path, programs: list[Program]) -> None:
    program = Program(tmp_path, "ignore_signals_and_sleep", grace_s=0.2)
    programs.append(program)
    program.process.send_signal(signal.SIGINT)
    assert program.end() == 130


def test_a_second_ctrl_c_kills_at_once(tmp_path: Path, programs: list[Program]) -> None:
    program = Program(tmp_path, "ignore_signals_and_sleep")
    programs.append(program)
    program.process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert is_alive(program.process.pid)
    program.process.send_signal(signal.SIGINT)
    assert program.end() == 130


def test_a_closed_terminals_second_signal_leaves_the_jobs_their_time(tmp_path: Path, programs: list[Program]) -> None:
    program = Program(tmp_path, "ignore_signals_and_sleep")
    programs.append(program)
    for _ in range(2):
        program.process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
    assert is_alive(program.process.pid)
    program.process.send_signal(signal.SIGINT)
    assert program.end() == 129
