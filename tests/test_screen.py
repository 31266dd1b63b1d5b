"""Numbers in a line."""

import io

import pytest
from rich.console import Console

from lightsweep.screen import draws, many


@pytest.mark.parametrize(("count", "shown"), [(0, "0 steps"), (1, "1 step"), (2, "2 steps"), (1100, "1,100 steps")])
def test_one_is_no_plural(count, shown):
    assert many(count, "step") == shown


def test_nothing_is_drawn_into_a_file_though_colours_are_forced(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = Console(file=io.StringIO())
    assert console.is_terminal
    assert not draws(console)
