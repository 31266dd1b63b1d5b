"""Numbers as the report writes them."""

import pytest

from lightsweep.reporting.numbers import interval
from lightsweep.statistics import Estimate


@pytest.mark.parametrize(
    ("mean", "half", "metric", "shown"),
    [
        (0.9231, 0.0012, "test/acc", "92.31 ± 0.12"),
        (0.25, 0.012, "test/loss", "0.250 ± 0.012"),
        (1234.5, 67.8, "seconds", "1234 ± 68"),
        (1.01e-10, 2.5e-12, "test/loss", "(1.010 ± 0.025)e-10"),
        (-2.03e-10, 1.1e-9, "test/loss", "(-0.2 ± 1.1)e-09"),
        (3e-9, 0.004, "test/loss", "0.0000 ± 0.0040"),
        (0.02, 2e-8, "test/loss", "(2.0000000 ± 0.0000020)e-02"),
        (1413101389813.0, 404576669439.0, "seconds", "(1.41 ± 0.40)e+12"),
        (999_999.0, 1e3, "seconds", "999999 ± 1000"),
        (1e6, 1e3, "seconds", "(1.0000 ± 0.0010)e+06"),
        (1.5e-323, 5e-324, "val/loss", "(1.48 ± 0.49)e-323"),
        (2.03e-10, None, "test/loss", "2.030e-10"),
    ],
)
def test_means_have_the_digits_that_their_interval_bears_out(mean, half, metric, shown):
    assert interval(Estimate(3, mean, half), metric) == shown


def test_a_difference_has_its_sign_with_a_power_of_ten_too():
    assert interval(Estimate(3, 1.02e-10, 2.5e-12), "test/loss", signed=True) == "(+1.020 ± 0.025)e-10"
