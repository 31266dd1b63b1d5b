"""The overhead meter's advice: the largest part that settings can make smaller, and what makes it so."""

import pytest

from lightsweep.reporting.overhead import remedy, shares_of


@pytest.mark.parametrize(
    ("seconds", "loader", "augmented", "alone", "advice"),
    [
        ({"startup": 8.0, "arithmetic": 2.0}, "device", [], True, "start-up: 80 % of the time; give several"),
        ({"startup": 8.0, "arithmetic": 2.0}, "device", [], False, None),
        ({"startup": 5.0, "arithmetic": 2.0, "logging": 3.0}, "device", [], False, "logging: 30 % of the time; log"),
        ({"data": 5.0, "arithmetic": 5.0}, "workers", [], True, "data: 50 % of the time; set data.loader=device"),
        (
            {"data": 5.0, "arithmetic": 5.0},
            "device",
            ["shift", "transforms"],
            True,
            "data: 50 % of the time; do without data.shift, data.transforms, if",
        ),
        ({"data": 5.0, "arithmetic": 5.0}, "auto", [], True, "data: 50 % of the time; raise data.num_workers, if"),
        ({"data": 5.0, "arithmetic": 5.0}, "device", [], True, None),
        ({"framework": 0.9, "arithmetic": 9.1}, "device", [], True, None),
        ({}, "device", [], True, None),
    ],
)
def test_the_largest_avoidable_part_is_named_with_its_remedy(seconds, loader, augmented, alone, advice):
    hint = remedy(seconds, loader, augmented, alone)

    assert hint is None if advice is None else str(hint).startswith(advice)


def test_parts_are_shares_of_the_whole():
    assert shares_of({"startup": 1.0, "arithmetic": 2.99, "data": 0.01}) == "start-up 25 %, training arithmetic 75 %"
