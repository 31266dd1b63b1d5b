"""Sweeps read back, and the tuning-budget curve."""

import itertools

import numpy as np
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from lightsweep.reporting.runs import find_runs
from lightsweep.reporting.studies import at_edge, budget_band, budget_values, expected_best, find_sweeps, importances


def sweep_of(folder):
    (sweep,) = find_sweeps([folder], find_runs([folder]))
    return sweep


def test_expected_best_is_the_mean_over_every_draw_with_replacement():
    values = [0.3, 0.9, 0.5]
    for n in (1, 2, 3):
        draws = list(itertools.product(values, repeat=n))
        assert expected_best(values, True)[n - 1] == pytest.approx(sum(map(max, draws)) / len(draws))
        assert expected_best(values, False)[n - 1] == pytest.approx(sum(map(min, draws)) / len(draws))


def test_band_encloses_the_curve_and_is_the_same_every_time():
    values = list(np.random.default_rng(1).normal(size=20))
    low, high = budget_band(values, True)
    expected = expected_best(values, True)
    assert np.all(low <= expected)
    assert np.all(expected <= high)
    assert np.array_equal(low, budget_band(values, True)[0])


def test_pruned_trials_count_with_what_they_reported_and_failed_ones_with_the_worst(make_sweep):
    sweep = sweep_of(make_sweep("s", [0.5, None, "failed", 0.1]))
    assert budget_values(sweep) == [0.5, 0.3, 0.1, 0.1]
    assert [trial.number for trial in sweep.ranked()] == [0, 3]


def test_best_of_a_falling_objective_is_the_least(make_sweep):
    sweep = sweep_of(make_sweep("s", [0.5, 0.2, 0.9], rises=False))
    assert [trial.number for trial in sweep.ranked()] == [1, 0, 2]


def test_sweep_is_found_from_one_of_its_trials(make_sweep):
    folder = make_sweep("s", [0.5, 0.6])
    (sweep,) = find_sweeps([folder / "1"], find_runs([folder / "1"]))
    assert (sweep.name, len(sweep.trials)) == ("s", 2)


def test_reading_changes_nothing_in_the_folder(make_sweep):
    folder = make_sweep("s", [0.5, 0.6])
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    sweep_of(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_torn_last_line_of_a_journal_costs_that_line_only(make_sweep):
    folder = make_sweep("s", [0.5, 0.6])
    with (folder / "study.journal").open("a") as file:
        file.write('{"op_code": 4, "worker')
    assert len(sweep_of(folder).trials) == 2


@pytest.mark.parametrize("content", ["", "no journal\nat all\n", '{"op_code": 99}\n'])
def test_journal_that_cannot_be_read_is_said(make_sweep, content):
    folder = make_sweep("s", [0.5])
    (folder / "study.journal").write_text(content)
    sweep = sweep_of(folder)
    assert sweep.study is None
    assert sweep.trials == []
    assert "study" in sweep.note


def test_sweep_in_another_storage_says_where_its_trials_are(make_sweep):
    folder = make_sweep("s", [0.5])
    (folder / "study.journal").rename(folder / "trials.csv")
    assert "trials.csv" in sweep_of(folder).note


def test_importances_are_shares_and_none_with_few_trials(make_sweep):
    shares = importances(sweep_of(make_sweep("many", [0.1 * i for i in range(9)])))
    assert set(shares) == {"optimizer.lr", "optimizer.momentum"}
    assert sum(shares.values()) == pytest.approx(1)
    assert importances(sweep_of(make_sweep("few", [0.1, 0.2]))) == {}


@pytest.mark.parametrize(("lr", "names"), [(0.9, ["lr"]), (0.1, []), (1.1e-4, ["lr"])])
def test_parameter_at_an_end_of_its_log_range_is_named(lr, names):
    distribution = FloatDistribution(1e-4, 1, log=True)
    assert at_edge(create_trial(params={"lr": lr}, distributions={"lr": distribution}, value=1.0)) == names
