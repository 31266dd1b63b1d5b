"""The exception tree: exit codes, and the way through pickle to another process and back."""

import json
import pickle
import re
from traceback import walk_tb

import pytest
import torch

from lightsweep.errors import (
    ConfigError,
    DataError,
    Diverged,
    Interrupted,
    LightsweepError,
    RankDied,
    RunFolderError,
    RunStopped,
    UserError,
    lines_of,
    one_line,
    place_of,
    raised_below,
)


@pytest.mark.parametrize(
    ("kind", "parent", "code"), [(ConfigError, UserError, 2), (DataError, UserError, 2), (RunFolderError, UserError, 2)]
)
def test_a_users_mistake_ends_with_two(kind, parent, code):
    assert issubclass(kind, parent)
    assert issubclass(kind, LightsweepError)
    assert kind("x").exit_code == code


@pytest.mark.parametrize("last", [0.5, None])
def test_diverged_survives_pickling(last):
    error = Diverged(7, 0.1, float("nan"), last)

    found = pickle.loads(pickle.dumps(error))

    assert str(found) == str(error)
    assert (found.step, found.lr, found.last_finite_loss) == (7, 0.1, last)
    assert (found.exit_code, found.status) == (3, "diverged")
    assert isinstance(found, RunStopped)


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_interrupted_survives_pickling(number, code):
    error = Interrupted(number)
    error.hint = "; to go on: …"

    found = pickle.loads(pickle.dumps(error))

    assert str(found) == str(error) == f"interrupted by signal {number}; to go on: …"
    assert (found.exit_code, found.signal_number, found.status) == (code, number, "interrupted")


@pytest.mark.parametrize(
    ("code", "reason", "line"),
    [
        (-9, None, "rank 1 was killed by signal 9 (SIGKILL)"),
        (-40, None, "rank 1 was killed by signal 40 (unnamed)"),
        (3, "the loss became nan", "rank 1 ended with exit code 3: the loss became nan"),
    ],
)
def test_rank_died_says_how_and_survives_pickling(code, reason, line):
    found = pickle.loads(pickle.dumps(RankDied(1, code, reason)))

    assert str(found) == line
    assert (found.rank, found.code, found.reason, found.exit_code) == (1, code, reason, 5)


def test_diverged_sends_one_to_the_scheduler_where_the_rate_is_no_number():
    assert str(Diverged(7, float("nan"), float("nan"), 2.5)).endswith(" 2.5. What sets such an lr is the scheduler")


def test_diverged_names_step_rate_and_last_finite_loss():
    assert str(Diverged(7, 0.1, float("inf"), 2.5)) == (
        "the training loss became inf at step 7 with lr 0.1; the last finite loss was 2.5. Try a smaller optimizer.lr"
    )
    first = str(Diverged(0, 0.1, float("nan"), None))
    assert first.endswith(
        "; there was none before it: what gives it is the network, its loss or its inputs, not optimizer.lr"
    )


@pytest.mark.parametrize(
    ("error", "lines", "line"),
    [
        (ValueError("\n first  line\n\n\tsecond\n"), ["first  line", "second"], "first line second"),
        (ValueError(), ["ValueError"], "ValueError"),
        (ValueError(" \n"), ["ValueError"], "ValueError"),
    ],
)
def test_what_an_exception_says_is_never_nothing(error, lines, line):
    assert lines_of(error) == lines
    assert one_line(error) == line


@pytest.mark.parametrize("fails", [lambda: json.loads("{"), lambda: torch.zeros(2).view(3)])
def test_the_place_of_an_error_is_the_users_last_line(fails):
    with pytest.raises((ValueError, RuntimeError)) as caught:
        fails()

    assert re.fullmatch(r" \(test_errors\.py, line \d+\)", place_of(caught.value))


def test_whether_an_error_came_up_through_a_packages_function_but_not_through_the_users_own():
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("{")

    (own,) = {frame.f_globals["__name__"].partition(".")[0] for frame, _ in walk_tb(caught.value.__traceback__)} - {
        "json"
    }
    assert raised_below(caught.value, "json", "decode")
    assert not raised_below(caught.value, "json", "dumps")
    assert not raised_below(caught.value, own, caught.traceback[0].name)


def test_an_error_that_the_user_has_no_part_in_has_no_place():
    assert place_of(ValueError("never raised")) == ""
