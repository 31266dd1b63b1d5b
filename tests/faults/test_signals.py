"""SIGTERM, SIGINT, SIGHUP and SIGUSR1 at any moment: a line, the right exit code, and a run that can go on exactly."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lightsweep.config.saved import read_result
from lightsweep.paths import RunPaths
from tests.faults.kills import SEED, Story
from tests.faults.test_kills import nursery, whole  # noqa: F401
from tests.training.stopped_runs import assert_same_end, events_of

ROOT = Path(__file__).parents[2]
NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)


def stop_at_least(count, whole, tmp_path, dice):  # noqa: F811
    stops = 0
    for number in range(10 * count):
        if stops >= count:
            return
        case = ("mlp", "plateau", "full_batch")[number % 3]
        unharmed = whole(case)
        story = Story(
            unharmed.nursery, unharmed.overrides, tmp_path / f"{case}{number}", unharmed.lines, unharmed.seconds
        )
        for _ in range(2):
            sent, before = dice.choice(NUMBERS), written_at(story)
            code = story.suffer(dice, sent)
            if code == 0:  # it came when all was done
                break
            stops += 1
            if assert_stopped(story, sent, code, before) == "completed":
                break
        else:
            story.end()
        print(story)
        assert_same_end(unharmed.folder / "run", story.folder / "run")
        assert events_of(story.folder / "run") == events_of(unharmed.folder / "run"), story
    raise AssertionError(f"only {stops} stops")


def written_at(story):
    """When the run's result was written; None where there is none."""
    result = RunPaths(story.folder / "run").result
    return result.stat().st_mtime_ns if result.is_file() else None


def assert_stopped(story, number, code, before):
    """Checks how the command ended; gives the status that it left, None where it had not come to train yet."""
    told = story.folder / "err.txt"
    err = told.read_text() if told.exists() else ""  # the signal may come before the process opens it
    lines = [line for line in err.splitlines() if line]
    paths = RunPaths(story.folder / "run")
    assert code in (128 + number, -number), f"{story}: {code} {err}"
    assert len(lines) == (code > 0), f"{story}: {err}"  # before the command's first line a signal ends it by itself
    status = read_result(paths)["status"] if written_at(story) != before else None
    if code > 0:
        assert lines[0].startswith(f"error: interrupted by signal {int(number)}"), f"{story}: {err}"
        if status == "interrupted":
            assert ("train.py resume=" in lines[0]) or not paths.last.is_file(), f"{story}: {err}"
        else:
            assert status in (None, "completed") or paths.last.is_file(), story
    return status


@pytest.mark.slow
def test_a_signal_anywhere_stops_a_run_that_goes_on_exactly(whole, tmp_path):  # noqa: F811
    stop_at_least(4, whole, tmp_path, random.Random(SEED))


@pytest.mark.slow
def test_thirty_signals_anywhere_change_nothing(whole, tmp_path):  # noqa: F811
    stop_at_least(30, whole, tmp_path, random.Random(SEED + 1))


@pytest.mark.slow
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(nursery, mnist_root, tmp_path, second):  # noqa: F811
    """The first comes in a step that never ends."""
    (tmp_path / "endless.py").write_text(
        "import time\nfrom torch import nn\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self):\n        super().__init__(nn.Flatten(), nn.Linear(784, 10))\n"
        "    def forward(self, x):\n"
        "        if self.training:\n"
        "            open('within', 'w').close()\n"
        "            while True:\n                time.sleep(0.01)\n"
        "        return super().forward(x)\n"
    )
    process = nursery.start(
        tmp_path,
        *("~model", "+model={_target_: endless.Net}", "trust=[endless]", "trainer.accelerator=cpu", "logger=none"),
        *(f"data.root={mnist_root}", "data.val_size=50", "data.batch_size=50", "hydra.run.dir=run"),
        PYTHONPATH=str(tmp_path),
    )
    end = time.monotonic() + 120
    while not (tmp_path / "within").exists():
        assert time.monotonic() < end
        assert Path(f"/proc/{process.pid}").exists(), (tmp_path / "err.txt").read_text()
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGTERM)
    time.sleep(0.5)
    assert Path(f"/proc/{process.pid}").exists()
    os.kill(process.pid, second)

    assert process.wait() == -second


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_wins_over_what_a_library_makes_of_it(number):
    """As OmegaConf did with the KeyboardInterrupt that came within it."""
    code = f"""
import os
from omegaconf.errors import ConfigKeyError
from lightsweep.cli.ending import ended_by
def command():
    try:
        os.kill(os.getpid(), {int(number)})
    except BaseException:
        raise ConfigKeyError("defaults")
ended_by(command)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    line = f"error: interrupted by signal {int(number)}\n"
    assert (ended.returncode, ended.stderr) == (128 + number, line)


def test_a_signal_in_a_weak_references_callback_is_not_lost():
    """As each import has one: the signal of one of 150 that fell within imports was dropped by Python."""
    code = """
import os, signal, time, weakref
from lightsweep.cli.ending import ended_by
class Thing:
    pass
def command():
    thing = Thing()
    seen = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    del thing
    time.sleep(60)
ended_by(command)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=50)

    assert (ended.returncode, ended.stderr) == (143, "error: interrupted by signal 15\n")


@pytest.mark.parametrize(
    ("second", "end"),
    [(signal.SIGINT, (-signal.SIGINT, "")), (signal.SIGHUP, (143, "error: interrupted by signal 15\n"))],
)
def test_a_second_signal_at_start_up_ends_at_once_but_for_a_terminals(second, end):
    code = f"""
import os, signal
from lightsweep.cli.ending import ended_by
def command():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        os.kill(os.getpid(), {int(second)})
ended_by(command)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == end


def test_an_interrupted_run_of_a_sweep_is_one_line():
    code = "from lightsweep.cli.ending import ended_by\ndef command():\n    raise KeyboardInterrupt\nended_by(command)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (130, "error: interrupted by signal 2\n")


def test_what_is_imported_says_nothing_at_the_end():
    code = """
import atexit
from lightsweep.cli.ending import ended_by
def command():
    import lightning.pytorch
ended_by(command)
"""
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_signal_ends_a_process_that_waits_for_another_machine(mnist_root, tmp_path):
    overrides = ("trainer.num_nodes=2", f"data.root={mnist_root}", "data.val_size=50", f"hydra.run.dir={tmp_path}/run")
    waiting = subprocess.Popen(
        [sys.executable, ROOT / "train.py", *overrides],
        cwd=tmp_path,
        env=os.environ | {"NODE_RANK": "0"},
        stderr=subprocess.PIPE,
    )
    try:
        while not RunPaths(tmp_path / "run").result.is_file():  # the last that is written before they meet
            assert waiting.poll() is None, waiting.communicate()
            time.sleep(0.1)
        time.sleep(2)
        assert waiting.poll() is None, waiting.communicate()

        waiting.send_signal(signal.SIGTERM)

        assert waiting.wait(10) in (-signal.SIGTERM, 128 + signal.SIGTERM)
    finally:
        waiting.kill()
        waiting.communicate()
