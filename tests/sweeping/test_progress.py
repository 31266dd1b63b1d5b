"""The lines that are printed while a sweep runs."""

import io
import threading
import time
from contextlib import redirect_stdout

import pytest

from lightsweep.sweeping.progress import Progress


class Finished:
    """What has finished; the study can be taken away."""

    def __init__(self):
        self.lines, self.gone, self.asked = {}, False, 0
        self.error: Exception = ConnectionError("the study cannot be read")

    def __call__(self):
        self.asked += 1
        if self.gone:
            raise self.error
        return {key: lambda line=line: line for key, line in self.lines.items()}


def test_what_finishes_is_printed_once(capsys):
    finished = Finished()
    finished.lines["old"] = "before"
    with Progress(finished):
        finished.lines["new"] = "now"
    assert capsys.readouterr().out == "now\n"


def test_what_finishes_while_another_trial_prints_into_its_log_is_printed_here(capsys):
    finished, log = Finished(), io.StringIO()
    with Progress(finished), redirect_stdout(log):
        finished.lines["new"] = "now"
        asked, deadline = finished.asked, time.monotonic() + 30
        while finished.asked < asked + 2 and time.monotonic() < deadline:  # the second look comes after the line
            time.sleep(0.01)
    assert (log.getvalue(), capsys.readouterr().out) == ("", "now\n")


def test_an_error_of_the_body_is_the_one_that_is_told():
    finished = Finished()

    def fail():
        finished.gone = True
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"), Progress(finished):
        fail()


def test_a_study_that_cannot_be_read_at_the_end_is_an_error():
    finished = Finished()
    with pytest.raises(ConnectionError, match="cannot be read"), Progress(finished):
        finished.gone = True


@pytest.mark.parametrize("error", [ConnectionError("no server"), FileNotFoundError(2, "the folder was deleted")])
def test_a_study_that_is_away_for_a_look_costs_no_line_and_no_traceback(capsys, monkeypatch, error):
    untold = []
    monkeypatch.setattr(threading, "excepthook", untold.append)
    finished = Finished()
    finished.error = error
    with Progress(finished):
        finished.gone = True
        asked, deadline = finished.asked, time.monotonic() + 30
        while finished.asked < asked + 2 and time.monotonic() < deadline:  # the second look shows that it goes on
            time.sleep(0.01)
        finished.gone = False
        finished.lines["new"] = "now"
        asked_again = finished.asked
    assert asked_again >= asked + 2
    assert capsys.readouterr().out == "now\n"
    assert not untold
