"""Ranges of colours and axes where one trial failed badly."""

import pytest

from lightsweep.reporting.ranges import axis_range, colour_range, outside


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([98.0, 98.2, 98.4, 98.6, 98.8], (98.0, 98.8)),  # none lies far out: their own range
        ([10.0, 98.2, 98.4, 98.6, 98.8], (97.6, 98.8)),  # one run failed: 1.5 quartile distances below the first
        ([10.0, 10.0, 10.0, 10.0, 10.0, 98.2], (10.0, 98.2)),  # only one did not fail
        ([10.0, float("-inf"), 98.2, 98.4, 98.6, 98.8], (97.6, 98.8)),
        ([0.5], (0.5, 0.5)),
    ],
)
def test_one_failure_does_not_make_all_colours_alike(values, expected):
    assert colour_range(values, True) == pytest.approx(expected)
    low, high = colour_range([-value for value in values], False)
    assert (-high, -low) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "left_out"),
    [
        ([0.1, 0.2, 0.3, 1e6], 1),
        ([0.1, 0.2, 0.3, 0.6, 1e6], 1),
        ([0.1, 0.2, 0.3, 0.9], 0),  # it lies far out, and does not hide the others
        ([2.3, 2.3, 2.3, 2.3, 2.3, 0.1], 0),  # the best is never left out
        ([0.1, 1e6], 0),  # which of the two is the failure?
        ([0.1, 0.1, 0.1, 1e6], 0),  # there is nothing to tell apart
    ],
)
def test_axis_leaves_out_what_would_press_all_others_into_a_line(values, left_out):
    assert outside(values, axis_range(values, False)) == left_out
