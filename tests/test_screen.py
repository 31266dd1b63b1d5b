"""Numbers in a line."""

import pytest

from lightsweep.screen import many


@pytest.mark.parametrize(("count", "shown"), [(0, "0 steps"), (1, "1 step"), (2, "2 steps"), (1100, "1,100 steps")])
def test_one_is_no_plural(count, shown):
    assert many(count, "step") == shown
