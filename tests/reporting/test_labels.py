"""Names that a figure has room for."""

import pytest

from lightsweep.reporting.labels import ROOM, labels

LONG = "a=" + "x" * 60


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["lr=0.1", "lr=0.2"], ["lr=0.1", "lr=0.2"]),
        (["lr=0.1", f"{LONG} lr=0.2"], ["lr=0.1", f"{LONG[:39]}…"]),
        ([f"{LONG} lr=0.1", f"{LONG} lr=0.2"], ["…lr=0.1", "…lr=0.2"]),
        ([f"{LONG}/{end}.csv" for end in "yz"], [f"{LONG[:20]}…{'x' * 13}/{end}.csv" for end in "yz"]),
        ([f"{LONG}{middle}{LONG}" for middle in "yz"], [f"{LONG[:20]}…{'x' * 19}", f"{LONG[:20]}…{'x' * 19} (2)"]),
        (["学习率" * 20], ["学习率" * 6 + "学…"]),
        (["a\n\tb"], ["a b"]),
        ([], []),
    ],
)
def test_labels_are_short_and_no_two_are_alike(names, shown):
    assert labels(names) == shown
    assert all(len(label) <= ROOM + len(" (2)") for label in shown)
