"""SIGKILL at any moment: the run that was killed, and resumed, ends as the one that was not, to the bit."""

import random
import time

import pytest

from lightsweep.paths import RunPaths
from tests.faults.kills import BASE, CASES, SEED, Story, kill_until
from tests.faults.nursery import Nursery
from tests.training.stopped_runs import assert_same_end, events_of

MOST = 4
"""Kills of one run."""


@pytest.fixture(scope="module")
def nursery():
    found = Nursery()
    yield found
    found.close()


@pytest.fixture(scope="module")
def whole(nursery, mnist_root, tmp_path_factory):
    """Gives a case's undisturbed story, told once."""
    told = {}

    def tell(case):
        if case not in told:
            folder = tmp_path_factory.mktemp(case)
            chosen = {word.partition("=")[0] for word in CASES[case]}
            base = [word for word in BASE if word.partition("=")[0] not in chosen]
            overrides = (*base, *CASES[case], f"data.root={mnist_root}")
            began = time.monotonic()
            story = Story(nursery, overrides, folder, 0, 0.0)
            story.end()
            story.lines, story.seconds = int((folder / "lines.txt").read_text()), time.monotonic() - began
            told[case] = story
        return told[case]

    return tell


def kill_at_least(count, whole, tmp_path, dice):
    """Tell one story after another until there were `count` kills; each must end as its undisturbed run."""
    kills = 0
    for number in range(10 * count):
        if kills >= count:
            return
        case = list(CASES)[number % len(CASES)]
        unharmed = whole(case)
        story = Story(
            unharmed.nursery, unharmed.overrides, tmp_path / f"{case}{number}", unharmed.lines, unharmed.seconds
        )
        kills += kill_until(story, dice, min(MOST, count - kills))
        print(story)
        assert_same_end(unharmed.folder / "run", story.folder / "run")
        assert events_of(story.folder / "run") == events_of(unharmed.folder / "run"), story
        assert not list((story.folder / "run").rglob(".*.part")), story
        assert RunPaths(story.folder / "run").best.is_file(), story
    raise AssertionError(f"only {kills} kills")


def test_a_run_that_is_killed_anywhere_ends_the_same(whole, tmp_path):
    kill_at_least(8, whole, tmp_path, random.Random(SEED))


@pytest.mark.slow
def test_fifty_kills_anywhere_change_nothing(whole, tmp_path):
    kill_at_least(60, whole, tmp_path, random.Random(SEED + 1))
