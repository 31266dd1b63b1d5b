"""Differences between settings, and time to a target."""

import json

import pytest

from lightsweep.reporting.comparing import default_target, differences, metrics_of, targets
from lightsweep.reporting.grouping import group_runs
from lightsweep.reporting.runs import find_runs
from lightsweep.statistics import Estimate


@pytest.fixture
def groups_of(make_run, tmp_path):
    """Settings with a value of test/acc for each seed."""

    def made(**settings):
        for index, (optimizer, values) in enumerate(settings.items()):
            for seed, acc in values.items():
                make_run(f"{index}-{optimizer}-{seed}", seed=seed, acc=acc, optimizer=optimizer)
        return group_runs(find_runs([tmp_path]))

    return made


def test_paired_difference_by_hand(groups_of):
    (pair,) = differences(groups_of(sgd={0: 0.5, 1: 0.7, 2: 0.9}, adam={0: 0.4, 1: 0.5, 3: 0.1}), "test/acc")
    assert (pair.first, pair.second) == ("sgd", "adam")
    # the shared seeds 0 and 1 differ by 0.1 and 0.2: mean 0.15, standard error 0.05, t of one degree 12.7062
    assert pair.estimate.n == 2
    assert pair.estimate.mean == pytest.approx(0.15)
    assert pair.estimate.half_width == pytest.approx(0.05 * 12.7062, rel=1e-5)


def test_p_values_are_those_of_scipy_and_corrected_by_holm(groups_of):
    stats = pytest.importorskip("scipy.stats", reason="scipy is an extra")
    values = {"sgd": [0.5, 0.7, 0.9, 0.6], "adam": [0.4, 0.5, 0.8, 0.55], "adagrad": [0.1, 0.2, 0.15, 0.11]}
    groups = groups_of(**{name: dict(enumerate(found)) for name, found in values.items()})
    found = differences(groups, "test/acc")
    assert len(found) == 3
    for pair in found:
        test = stats.ttest_rel(values[pair.first], values[pair.second])
        assert pair.estimate.p == pytest.approx(test.pvalue)
        width = test.confidence_interval(0.95).high - pair.estimate.mean
        assert pair.estimate.half_width == pytest.approx(width)
    ranked = sorted(found, key=lambda pair: pair.estimate.p)
    assert ranked[0].adjusted == pytest.approx(3 * ranked[0].estimate.p)
    assert [pair.adjusted for pair in ranked] == sorted(pair.adjusted for pair in ranked)


def test_settings_without_two_shared_seeds_are_no_pair(groups_of):
    found = differences(groups_of(sgd={0: 0.5, 1: 0.6}, adam={1: 0.4, 2: 0.5}, adagrad={2: 0.5, 1: 0.2}), "test/acc")
    assert [(pair.first, pair.second) for pair in found] == [("adam", "adagrad")]


def test_settings_that_tell_other_classes_apart_are_compared_by_the_seconds_alone(groups_of, tmp_path):
    values = {"sgd": [0.9, 0.91, 0.93], "adam": [0.8, 0.84, 0.85], "adagrad": [0.5, 0.52, 0.51]}
    groups = groups_of(**{name: dict(enumerate(found)) for name, found in values.items()})
    for run in tmp_path.glob("outputs/*"):
        names = ["cat", "dog"] if "adagrad" in run.name else ["0", "1"]
        (run / "data.json").write_text(json.dumps({"class_names": names}))
    pairs = {(pair.first, pair.second): pair for pair in differences(groups, "test/acc")}
    notes = [pair.note for pair in pairs.values()]
    assert notes == ["other classes" if "adagrad" in pair else "" for pair in pairs]
    assert pairs["sgd", "adam"].adjusted == pairs["sgd", "adam"].estimate.p  # the one test that there is
    assert pairs["sgd", "adagrad"].adjusted is None
    assert pairs["sgd", "adagrad"].estimate.half_width is not None
    assert {pair.note for pair in differences(groups, "seconds")} == {""}


def test_the_rounding_of_repeated_seeds_is_no_difference(make_run, tmp_path):
    for seed, acc in enumerate((0.7, 0.9123, 0.8, 0.6)):
        make_run(f"a{seed}", seed=seed, acc=acc)
        for repeat in range(3):  # whose mean is not 0.9123
            make_run(f"b{seed}{repeat}", seed=seed, acc=acc, optimizer="adam")
    (pair,) = differences(group_runs(find_runs([tmp_path])), "test/acc")
    assert (pair.estimate, pair.adjusted) == (Estimate(4, 0.0, None), None)


def test_the_larger_of_two_numbers_says_what_their_rounding_is(groups_of):
    nought, much = {0: 0.0, 1: 0.0}, {0: 0.9, 1: 0.9000001}
    pairs = differences(groups_of(sgd=nought, adam=much, adagrad=nought), "test/acc")
    assert [(pair.estimate.n, pair.adjusted) for pair in pairs] == [(2, None)] * 3


@pytest.fixture
def losses_of(make_run, tmp_path):
    """Settings with three seeds' test/loss and test/acc, from 0.1 on; each with further arguments of `make_run`."""

    def made(*settings):
        for place, given in enumerate(settings):
            for seed in range(3):
                metrics = {"test/acc": 0.9, "test/loss": 0.1 + place + 0.01 * seed * (place + 1)}
                make_run(f"{place}-{seed}", seed=seed, **{"metrics": metrics, "lr": 10**place, **given})
        return group_runs(find_runs([tmp_path]))

    return made


@pytest.mark.parametrize(
    ("given", "different"),
    [
        ([{}, {}], False),
        ([{"loss": "cross entropy"}, {"loss": "cross entropy"}], False),
        ([{"loss": "cross entropy"}, {"loss": "cross entropy label_smoothing=0.1"}], True),
        ([{"loss": "half the squared error"}, {"loss": "mine.Huber"}], True),
    ],
)
def test_losses_of_different_kinds_have_no_p(losses_of, given, different):
    groups = losses_of(*given)
    (pair,) = differences(groups, "test/loss")
    assert (pair.estimate.p is None, pair.adjusted is None) == (different, different)
    assert pair.note == ("losses of different kinds" if different else "")
    assert pair.estimate.mean == pytest.approx(-1.01)
    assert pair.estimate.half_width > 0
    (pair,) = differences(groups, "seconds")
    assert pair.note == ""


def test_pairs_that_cannot_be_compared_are_no_tests_that_holm_counts(losses_of):
    pairs = differences(losses_of({"loss": "a"}, {"loss": "a"}, {"loss": "b"}), "test/loss")
    assert [pair.note == "" for pair in pairs] == [True, False, False]
    assert pairs[0].adjusted == pairs[0].estimate.p is not None


def test_unknown_seeds_are_not_paired(make_run, tmp_path):
    for name, optimizer in (("a", "sgd"), ("b", "adam")):
        for index in range(2):
            folder = make_run(f"{name}{index}", optimizer=optimizer)
            text = (folder / "result.json").read_text().replace('"seed": 0', '"seed": null')
            (folder / "result.json").write_text(text)
            text = (folder / "config.yaml").read_text().replace("seed: 0\n", "")
            (folder / "config.yaml").write_text(text)
    groups = group_runs(find_runs([tmp_path]))
    assert [group.estimate("test/acc").n for group in groups] == [2, 2]
    assert differences(groups, "test/acc") == []


def test_time_to_target_counts_those_that_reach_it(make_run, tmp_path):
    make_run("a", seed=0, curve=[0.5, 0.8, 0.9])
    make_run("b", seed=1, curve=[0.8, 0.7, 0.9])
    make_run("c", seed=2, curve=[0.1, 0.2, 0.3])
    groups = group_runs(find_runs([tmp_path]))
    assert default_target(groups, "val/acc") == 0.9
    (found,) = targets(groups, "val/acc", 0.8)
    assert (found.reached, found.tried) == (2, 3)
    assert found.steps.mean == 150  # 200 and 100
    assert found.seconds.mean == 3.75
    (never,) = targets(groups, "val/acc", 0.95)
    assert (never.reached, never.steps.mean) == (0, None)


def test_a_repeated_seed_counts_once_in_the_time_to_a_target(make_run, tmp_path):
    for name, seed, curve in (("a", 0, [0.9, 0.9]), ("b", 0, [0.1, 0.9]), ("c", 0, [0.1, 0.3]), ("d", 1, [0.5, 0.9])):
        make_run(name, seed=seed, curve=curve)
    groups = group_runs(find_runs([tmp_path]))
    assert default_target(groups, "val/acc") == pytest.approx(0.7), "seed 0 reaches 0.9, 0.9 and 0.3"
    (found,) = targets(groups, "val/acc", 0.8)
    assert (found.reached, found.tried) == (2, 2)
    assert (found.steps.n, found.steps.mean) == (2, 175)  # 100 and 200 in seed 0, 200 in seed 1


@pytest.mark.parametrize(("metric", "target"), [("val/acc", 0.4), ("val/loss", 0.6)])
def test_of_two_middle_values_the_easier_is_the_target(make_run, tmp_path, metric, target):
    for seed, value in enumerate((0.4, 0.6)):
        make_run(f"a{seed}", seed=seed, curve=[value], watched=metric)
    assert default_target(group_runs(find_runs([tmp_path])), metric) == target


def test_target_of_an_error_is_reached_from_above(make_run, tmp_path):
    folder = make_run("a", directions={"mae": "min"}, curve=[0.5, 0.2, 0.3])
    text = (folder / "metrics.csv").read_text().replace("val/acc", "val/mae")
    (folder / "metrics.csv").write_text(text)
    groups = group_runs(find_runs([tmp_path]))
    assert default_target(groups, "val/mae") == 0.2
    assert targets(groups, "val/mae", 0.25)[0].steps.mean == 200
    assert targets(groups, "val/mae", 0.2)[0].reached == 1


def test_a_run_that_did_not_complete_is_none_that_could_reach_a_target(make_run, tmp_path):
    make_run("a", curve=[0.5])
    make_run("b", seed=1, status="diverged", reason="x", curve=[0.9])
    (found,) = targets(group_runs(find_runs([tmp_path])), "val/acc", 0.8)
    assert (found.reached, found.tried) == (0, 1)


def test_metrics_stand_in_the_order_test_validation_training_others_seconds(make_run, tmp_path):
    make_run("a", metrics={"train/loss": 1.0, "val/acc": 0.5, "test/f1": 0.2, "test/acc": 0.4})
    assert metrics_of(find_runs([tmp_path])) == ["test/acc", "val/acc", "train/loss", "test/f1", "seconds"]
