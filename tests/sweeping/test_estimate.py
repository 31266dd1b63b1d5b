"""Means with their 95 % intervals."""

import pytest

from lightsweep.sweeping.estimate import Estimate, t_quantile


def test_interval_of_known_values():
    estimate = Estimate.of([1.0, 2.0, 3.0, 4.0, 5.0])
    assert estimate.n == 5
    assert estimate.mean == 3.0
    assert estimate.half_width == pytest.approx(2.7764 * (2.5 / 5) ** 0.5)


def test_one_value_has_no_interval_and_none_has_no_mean():
    assert Estimate.of([2.0]) == Estimate(1, 2.0, None)
    assert str(Estimate.of([2.0])) == "2 (n 1)"
    assert str(Estimate.of([])) == "no value"


def test_quantiles_fall_without_a_jump_from_table_to_series():
    quantiles = [t_quantile(freedom) for freedom in range(1, 60)]
    assert quantiles == sorted(quantiles, reverse=True)
    assert t_quantile(40) == pytest.approx(2.02108, abs=1e-4)  # any printed table
    assert t_quantile(10**9) == pytest.approx(1.959964, abs=1e-6)


def test_quantiles_are_those_of_scipy():
    t = pytest.importorskip("scipy.stats", reason="scipy is an extra").t
    for freedom in range(1, 100):
        assert t_quantile(freedom) == pytest.approx(t.ppf(0.975, freedom), abs=1e-4)
