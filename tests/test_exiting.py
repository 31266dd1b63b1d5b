"""A command's process ends with its exit code and all that it had to write, but without the teardown of its modules."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import atexit, sys, threading, time
from lightsweep.exiting import run_program

class Torn:
    def __del__(self):
        print("torn down")

torn = Torn()

def late():
    time.sleep(0.2)
    print("a thread's")

def command():
    atexit.register(print, "a handler's")
    threading.Thread(target=late).start()
    {ending}

run_program(command)
print("not reached")
"""


def end(ending):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(ending=ending)], capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize(("ending", "code"), [("pass", 0), ("sys.exit(3)", 3), ("sys.exit()", 0)])
def test_threads_and_exit_handlers_come_to_their_end_but_no_module_is_torn_down(ending, code):
    assert end(ending) == (code, ["a thread's", "a handler's"], "")


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_process_without_an_output_ends_with_its_exit_code(closed):
    program = PROGRAM.format(ending="sys.exit(2)")
    done = subprocess.run(["bash", "-c", f'"$0" -c "$1" {closed}', sys.executable, program], capture_output=True)
    assert (done.returncode, done.stderr) == (2, b"")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_file_does_not_take_the_place_of_a_closed_stream(closed, tmp_path):
    file = tmp_path / "file"
    ending = f"opened = open({str(file)!r}, 'w'); opened.write(str(opened.fileno())); opened.flush(); import os; "
    ending += "os.system('echo of a child; echo of its errors >&2')"
    program = PROGRAM.format(ending=ending)
    subprocess.run(["bash", "-c", f'"$0" -c "$1" {closed}', sys.executable, program], capture_output=True, check=True)
    assert file.read_text().isdigit()
    assert int(file.read_text()) > 2


def test_a_bug_keeps_its_traceback():
    code, lines, err = end("raise ValueError('a bug')")

    assert (code, lines) == (1, ["a thread's", "a handler's"])
    assert err.startswith("Traceback")
    assert err.endswith("ValueError: a bug\n")


def test_a_last_word_stays_one():
    assert end("sys.exit('why it ends')") == (1, ["a thread's", "a handler's"], "why it ends\n")


def test_an_interrupt_stays_a_signal():
    code, _, err = end("raise KeyboardInterrupt")

    assert code == -signal.SIGINT
    assert err.endswith("KeyboardInterrupt\n")


@pytest.mark.parametrize("name", ["cli", "cli.console", "cli.predicting", "cli.exporting"])
def test_no_command_leaves_out_an_exit_handler_that_its_imports_registered(name):
    """`run_program` runs those that come after it, and logging's."""
    counting = f"import logging, atexit; from lightsweep.{name} import *; print(atexit._ncallbacks())"
    done = subprocess.run([sys.executable, "-c", counting], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "1\n"
