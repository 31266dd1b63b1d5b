"""Means with their 95 % intervals, tests and their correction, against hand-computed cases and scipy."""

import math

import pytest

from lightsweep.statistics import Estimate, holm, t_beyond, t_quantile, t_within


def test_interval_of_known_values():
    estimate = Estimate.of([1.0, 2.0, 3.0, 4.0, 5.0])
    assert estimate.n == 5
    assert estimate.mean == 3.0
    assert estimate.half_width == pytest.approx(2.776445 * (2.5 / 5) ** 0.5)  # by a printed table of t, 4 degrees


def test_one_value_has_no_interval_and_none_has_no_mean():
    assert Estimate.of([2.0]) == Estimate(1, 2.0, None)
    assert str(Estimate.of([2.0])) == "2 (n 1)"
    assert str(Estimate.of([])) == "no value"


@pytest.mark.parametrize(
    "values", [[2.0, 2.0], [0.0, 0.0, 0.0], [0.8 - 0.7, 0.6 - 0.5], [0.1, 0.10000001], [3.0, 3.0000025]]
)
def test_values_without_spread_have_no_interval_and_no_p(values):
    assert Estimate.of(values) == Estimate(len(values), pytest.approx(values[0]), None, None)


@pytest.mark.parametrize(
    ("values", "sizes", "mean"),
    [
        ([0.0, 1.1e-16, 1.1e-16], [0.7, 0.9, 0.8], 0.0),
        ([2e-8], [0.5], 0.0),
        ([0.1, 0.1 + 1e-5], [1000.0, 1000.0], 0.100005),
        ([2e-12, 2e-12], [1e-11, 1e-11], 2e-12),
    ],
)
def test_differences_below_the_rounding_of_what_they_were_taken_of_are_none(values, sizes, mean):
    assert Estimate.of(values, sizes) == Estimate(len(values), pytest.approx(mean, rel=1e-9, abs=0), None, None)


def test_one_large_pair_does_not_hide_what_differs_in_small_ones():
    assert Estimate.of([0.3, 0.5, 0.0], [1.0, 1.0, 1e9]).p is not None


def test_no_p_is_below_0():
    for count in range(2, 40):
        assert all(0 <= Estimate.of([1.0 + 10.0**-digits, *[1.0] * count]).p < 0.1 for digits in range(1, 6))


def test_a_small_p_keeps_its_digits_and_is_not_0():
    assert t_beyond(1e9, 1) == pytest.approx(2e-9 / math.pi, rel=1e-12)  # Cauchy: 1 - 2/π atan(t)
    assert t_beyond(1e6, 2) == pytest.approx(1e-12, rel=1e-11)  # 1 - t / sqrt(2 + t²)
    assert 0 < Estimate.of([0.90, 0.91, 0.89, 0.90, 0.91, 0.89, 0.90, 0.91, 0.89, 0.90]).p < 1e-15
    assert t_beyond(math.inf, 4) == 0.0


def test_a_mean_below_0_is_as_probable_as_its_opposite():
    assert Estimate.of([-1.0, -2.0, -4.0]).p == Estimate.of([1.0, 2.0, 4.0]).p < 1


def test_probabilities_of_one_and_two_degrees_have_closed_forms():
    assert t_within(1.0, 1) == pytest.approx(0.5)  # Cauchy: its quartiles are ±1
    assert t_within(2.0, 2) == pytest.approx(2 / 6**0.5)  # t / sqrt(2 + t²)


def test_quantiles_and_p_values_are_those_of_scipy():
    stats = pytest.importorskip("scipy.stats", reason="scipy is an extra")
    for freedom in [*range(1, 60), 100, 999, 9_999]:
        assert t_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=1e-8)
        for t in (0.0, 0.3, 2.0, 15.0):
            assert 1 - t_within(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), abs=1e-12)
            assert t_beyond(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), rel=1e-9)
    assert t_quantile(10**9) == pytest.approx(stats.norm.ppf(0.975), abs=3e-4)
    values = [0.3, 0.1, -0.2, 0.8, 0.4]
    test = stats.ttest_1samp(values, 0)
    assert Estimate.of(values).p == pytest.approx(test.pvalue)
    assert Estimate.of(values).half_width == pytest.approx(test.confidence_interval(0.95).high - 0.28)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])  # ×3, then ×2 of 0.03, never falling
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([]) == []
    assert holm([0.01, 0.03], 3) == pytest.approx([0.03, 0.06])  # of the first three, and nowhere less than there
