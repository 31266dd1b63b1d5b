"""The overhead meter's advice: the largest part that settings can make smaller, and what makes it so."""

import pytest

from lightsweep.reporting.overhead import remedy, shares_of

BY_STEPS = {"inner_steps": None, "log_every_n_steps": 100, "checkpoint_every_n_steps": None}
RARER = "validate less often: raise trainer.check_val_every_n_epoch"


@pytest.mark.parametrize(
    ("seconds", "data", "alone", "advice"),
    [
        ({"startup": 8.0, "arithmetic": 2.0}, {}, True, "start-up: 80 % of the time; give several"),
        ({"startup": 8.0, "arithmetic": 2.0}, {}, False, None),
        ({"startup": 5.0, "arithmetic": 2.0, "logging": 3.0}, {}, False, "logging: 30 % of the time; log"),
        (
            {"data": 5.0, "arithmetic": 5.0},
            {"loader": "workers"},
            True,
            "data: 50 % of the time; set data.loader=device",
        ),
        (
            {"data": 5.0, "arithmetic": 5.0},
            {"loader": "device", "shift": 2, "rotate": 0, "transforms": [{}]},
            True,
            "data: 50 % of the time; do without data.shift, data.transforms, if",
        ),
        (
            {"data": 5.0, "arithmetic": 5.0},
            {"loader": "auto"},
            True,
            "data: 50 % of the time; raise data.num_workers, if",
        ),
        ({"data": 5.0, "arithmetic": 5.0}, {"loader": "device"}, True, None),
        ({"framework": 0.9, "arithmetic": 9.1}, {}, True, None),
        ({}, {}, True, None),
    ],
)
def test_the_largest_avoidable_part_is_named_with_its_remedy(seconds, data, alone, advice):
    hint = remedy(seconds, {"data": data, "trainer": BY_STEPS}, alone=alone)

    assert hint is None if advice is None else str(hint).startswith(advice)


@pytest.mark.parametrize(
    ("part", "trainer", "steps_per_epoch", "advice"),
    [
        ("framework", {}, 550, "make more steps at once: raise trainer.inner_steps"),
        ("framework", {}, 100, None),  # all steps of an epoch are made at once already
        ("framework", {"inner_steps": 1000}, 550, None),
        (
            "framework",
            {"checkpoint_every_n_steps": 150},
            550,
            "let trainer.checkpoint_every_n_steps be a multiple of 100",
        ),
        ("framework", {"checkpoint_every_n_steps": 200}, 550, "raise trainer.inner_steps"),
        ("framework", {"checkpoint_every_n_steps": 150}, 1, None),
        ("checkpoint", {}, 550, "write to a faster disk"),
        (
            "checkpoint",
            {"checkpoint_every_n_steps": 100},
            550,
            "save less often: raise trainer.checkpoint_every_n_steps",
        ),
        ("checkpoint", {"checkpoint_every_n_steps": 600}, 550, "write to a faster disk"),
    ],
)
def test_only_settings_that_would_help_are_named(part, trainer, steps_per_epoch, advice):
    hint = remedy({part: 5.0, "arithmetic": 5.0}, {"trainer": {**BY_STEPS, **trainer}}, steps_per_epoch)

    assert hint is None if advice is None else advice in str(hint)


def test_parts_are_shares_of_the_whole():
    assert shares_of({"startup": 1.0, "arithmetic": 2.99, "data": 0.01}) == "start-up 25 %, training arithmetic 75 %"


@pytest.mark.parametrize(
    ("data", "trainer", "advice"),
    [
        ({"val_size": 100}, {"max_epochs": 3, "check_val_every_n_epoch": 1}, RARER),
        ({"val_size": 0, "fold": 0}, {"max_epochs": None}, RARER),
        ({"val_size": "own"}, {"max_epochs": -1}, RARER),
        ({"val_size": 0, "fold": None}, {"max_epochs": 3}, None),  # it is the test's
        ({"val_size": 100}, {"max_epochs": 1, "check_val_every_n_epoch": 1}, None),
        ({"val_size": 100}, {"max_epochs": 4, "check_val_every_n_epoch": 4}, None),
    ],
)
def test_rarer_validations_are_advised_where_there_are_several(data, trainer, advice):
    hint = remedy({"validation": 5.0, "arithmetic": 5.0}, {"data": data, "trainer": trainer})

    assert hint == (advice and f"validation and test: 50 % of the time; {advice}")
