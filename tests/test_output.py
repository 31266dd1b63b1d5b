"""A command whose output nobody reads any more ends quietly, and a run's state is saved."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lightsweep.config.saved import read_result
from lightsweep.paths import RunPaths
from tests.conftest import ROOT

PROGRAM = """
import logging, socket, sys
from lightsweep.cli.ending import ended_by
from lightsweep.errors import ConfigError
from lightsweep.exiting import run_program
log = logging.getLogger()
log.addHandler(logging.StreamHandler(sys.stdout))
def command():
    {body}
run_program(lambda: ended_by(command))
"""
RUN = ("model=softmax_regression", "trainer.accelerator=cpu", "trainer.max_epochs=200", "logger=none")


def end(words, lines, folder=ROOT, shell='"$0" "$@"'):
    """The exit code and stderr of a Python process whose reader goes away after so many lines."""
    done = subprocess.Popen(
        ["bash", "-c", shell, sys.executable, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    for _ in range(lines):
        assert done.stdout.readline()
    done.stdout.close()
    err = done.stderr.read().decode()
    done.stderr.close()
    return done.wait(), err


@pytest.mark.parametrize(
    "body",
    [
        "print('left in the buffer')",
        "print('at once', flush=True); sys.exit(0)",
        "log.warning('by logging, which swallows what is raised'); log.warning('again'); sys.exit(0)",
        "print('before its error'); raise ConfigError('which is told first')",
        "from rich.console import Console; Console().print('rich ends a process by itself')",
    ],
)
@pytest.mark.parametrize("flags", [(), ("-u",)])
def test_a_command_ends_quietly(body, flags):
    assert end([*flags, "-c", PROGRAM.format(body=body)], 0) == (141, "")


def test_a_line_on_stderr_that_nobody_reads_leaves_the_exit_code_what_it_is():
    program = PROGRAM.format(body="raise ConfigError('a mistake')")
    assert end(["-c", program], 0, shell='"$0" "$@" 2>&1') == (2, "")


def test_a_socket_that_nobody_reads_stays_an_error_of_its_own():
    body = "a, b = socket.socketpair(); b.close(); a.send(b'x')"
    code, err = end(["-c", PROGRAM.format(body=body)], 0)
    assert code == 1
    assert err.endswith("BrokenPipeError: [Errno 32] Broken pipe\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a file of Linux on a full disk")
@pytest.mark.parametrize("flags", [(), ("-u",)])
@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        ("print('a line', flush=True); print('again', flush=True); print('goes on', file=sys.stderr)", 1, "goes on\n"),
        ("print('at its end')", 1, ""),
        ("print('by itself', flush=True); sys.exit(0)", 1, ""),
        ("print('before'); sys.stdout.flush(); raise ConfigError('a mistake')", 2, "error: a mistake\n"),
    ],
)
def test_a_command_whose_output_finds_a_full_disk_goes_on_and_says_so(flags, body, code, told):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, *flags, "-c", PROGRAM.format(body=body)],
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    incomplete = "error: stdout cannot be written: No space left on device; going on without it\n"
    assert (done.returncode, done.stderr) == (code, incomplete + told)


@pytest.mark.parametrize("flags", [(), ("-u",)])
def test_a_command_that_outlives_its_terminal_goes_on(flags):
    """As after `disown`, or where it ignores SIGHUP."""
    master, terminal = os.openpty()
    body = "print('first', flush=True); sys.stdin.read(); print('again'); print('goes on', file=sys.stderr)"
    process = subprocess.Popen(
        [sys.executable, *flags, "-c", PROGRAM.format(body=body)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        stdin=subprocess.PIPE,
        stdout=terminal,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(terminal)
    assert os.read(master, 5) == b"first"
    os.close(master)

    assert (process.communicate(timeout=60)[1], process.returncode) == ("goes on\n", 0)


def test_a_run_is_saved_and_can_go_on(mnist_root, tmp_path):
    run = RunPaths(tmp_path / "run")
    words = [ROOT / "train.py", *RUN, f"data.root={mnist_root}", "data.val_size=50", f"hydra.run.dir={run.folder}"]

    code, err = end(words, 1, tmp_path)

    assert code == 141
    assert err == f"error: nobody reads the output any more; to go on: python {ROOT / 'train.py'} resume={run.folder}\n"
    assert read_result(run)["status"] == "interrupted"
    assert run.last.is_file()


@pytest.mark.slow
def test_a_grid_in_processes_ends_without_a_traceback(mnist_root, tmp_path):
    given = [f"data.root={mnist_root}", "data.val_size=50", "seed=0,1,2,3", f"hydra.sweep.dir={tmp_path}/grid"]

    code, err = end([ROOT / "train.py", "-m", *RUN, *given, "hydra/launcher=local"], 3, tmp_path)

    lines = err.splitlines()
    assert code == 141
    assert lines
    assert all(line.startswith("error: nobody reads the output any more; to go on: ") for line in lines), err
    assert not (tmp_path / "grid" / "3").exists()
