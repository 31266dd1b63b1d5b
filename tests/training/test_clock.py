"""The overhead meter: nested parts are counted once, and the parts sum to the whole."""

import pytest

from lightsweep.training import clock as clock_module
from lightsweep.training.clock import Clock


@pytest.fixture
def now(monkeypatch):
    """The time, which tests set."""
    time = [0.0]
    monkeypatch.setattr(clock_module.time, "perf_counter", lambda: time[0])
    return time


def test_nested_parts_are_counted_once(now):
    clock = Clock(already=3.0)
    now[0] = 1.0
    clock.enter("framework")
    now[0] = 2.0
    with clock.part("validation"):
        now[0] = 5.0
        with clock.part("logging"):
            now[0] = 6.0
        now[0] = 8.0
    now[0] = 10.0

    assert clock.total == 13.0
    assert clock.seconds["startup"] == 4.0
    assert clock.seconds["validation"] == 5.0
    assert clock.seconds["logging"] == 1.0
    assert clock.seconds["framework"] == 3.0


def test_moving_seconds_keeps_the_sum(now):
    clock = Clock()
    clock.enter("arithmetic")
    now[0] = 4.0
    clock.move(1.5, "arithmetic", "data")

    assert clock.total == 4.0
    assert (clock.seconds["arithmetic"], clock.seconds["data"]) == (2.5, 1.5)


def test_a_part_ends_when_its_block_raises(now):
    clock = Clock()

    def failing():
        with clock.part("checkpoint"):
            now[0] = 2.0
            raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        failing()
    now[0] = 3.0

    assert (clock.total, clock.seconds["checkpoint"], clock.seconds["startup"]) == (3.0, 2.0, 1.0)
