"""The lines that are printed while a sweep runs."""

import pytest

from lightsweep.sweeping.progress import Progress


class Finished:
    """What has finished; the study can be taken away."""

    def __init__(self):
        self.lines, self.gone = {}, False

    def __call__(self):
        if self.gone:
            raise OSError("the study cannot be read")
        return {key: lambda line=line: line for key, line in self.lines.items()}


def test_what_finishes_is_printed_once(capsys):
    finished = Finished()
    finished.lines["old"] = "before"
    with Progress(finished):
        finished.lines["new"] = "now"
    assert capsys.readouterr().out == "now\n"


def test_an_error_of_the_body_is_the_one_that_is_told():
    finished = Finished()

    def fail():
        finished.gone = True
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"), Progress(finished):
        fail()


def test_a_study_that_cannot_be_read_at_the_end_is_an_error():
    finished = Finished()
    with pytest.raises(OSError, match="cannot be read"), Progress(finished):
        finished.gone = True
