"""Mean learning curves with their bands."""

import re

import numpy as np
import pytest

from lightsweep.reporting.curves import mean_curve
from lightsweep.reporting.drawing import PALETTE
from lightsweep.reporting.figures import curve_figures, means_figure
from lightsweep.reporting.grouping import group_runs
from lightsweep.reporting.runs import find_runs
from lightsweep.statistics import Estimate


def test_mean_and_band_at_common_steps_are_those_of_the_values(make_run, tmp_path):
    curves = [[0.1, 0.5], [0.3, 0.6], [0.2, 0.9]]
    for seed, curve in enumerate(curves):
        make_run(str(seed), seed=seed, curve=curve)
    found = mean_curve(find_runs([tmp_path]), "val/acc", "step")
    assert found.n == 3
    assert list(found.x) == [100, 200]
    for place, values in enumerate(zip(*curves, strict=True)):
        estimate = Estimate.of(values)
        assert found.mean[place] == pytest.approx(estimate.mean)
        assert found.half_width[place] == pytest.approx(estimate.half_width)


def test_only_the_part_that_all_runs_reach_is_drawn(make_run, tmp_path):
    make_run("a", curve=[0.1, 0.2, 0.3])
    make_run("b", seed=1, curve=[0.3, 0.4])
    found = mean_curve(find_runs([tmp_path]), "val/acc", "epoch")
    assert list(found.x) == [1, 2]
    assert found.mean == pytest.approx([0.2, 0.3])


def test_places_of_one_run_only_are_interpolated_in_the_other(make_run, tmp_path):
    make_run("a", curve=[0.0, 0.2, 0.4])
    folder = make_run("b", seed=1)
    (folder / "metrics.csv").write_text("step,epoch,seconds,val/acc\n100,1,2.5,0\n300,3,7.5,1\n")
    found = mean_curve(find_runs([tmp_path]), "val/acc", "seconds")
    assert list(found.x) == [2.5, 5.0, 7.5]
    assert found.mean == pytest.approx([0.0, (0.2 + 0.5) / 2, (0.4 + 1) / 2])


def test_a_seed_that_was_run_twice_counts_once(make_run, tmp_path):
    for name, seed, curve in (("a", 0, [0.1]), ("b", 0, [0.3]), ("c", 1, [0.6])):
        make_run(name, seed=seed, curve=curve)
    found = mean_curve(find_runs([tmp_path]), "val/acc", "step")
    estimate = Estimate.of([0.2, 0.6])
    assert (found.n, found.mean[0]) == (2, pytest.approx(0.4))
    assert found.half_width[0] == pytest.approx(estimate.half_width)


def test_runs_whose_seed_is_not_known_count_each(make_run, tmp_path):
    for name, acc in (("a", 0.2), ("b", 0.4)):
        make_run(name, seed=None, curve=[acc])
    assert mean_curve(find_runs([tmp_path]), "val/acc", "step").n == 2


def test_one_run_has_no_band_and_no_run_no_curve(make_run, tmp_path):
    make_run("a", curve=[0.1, 0.2])
    runs = find_runs([tmp_path])
    found = mean_curve(runs, "val/acc", "step")
    assert found.half_width is None
    assert np.array_equal(found.mean, [0.1, 0.2])
    assert mean_curve(runs, "val/loss", "step") is None
    assert mean_curve([], "val/acc", "step") is None


def test_a_setting_that_cannot_be_drawn_is_named_below_the_figure(make_run, tmp_path):
    for seed in (0, 1):
        make_run(f"a{seed}", seed=seed, lr=0.1, curve=[0.1, 0.2])
        folder = make_run(f"b{seed}", seed=seed, lr=0.2)
        start = 100 * seed
        (folder / "metrics.csv").write_text(
            f"step,epoch,seconds,val/acc\n100,1,{start + 1},0.1\n200,2,{start + 2},0.2\n"
        )
    figures = list(curve_figures(group_runs(find_runs([tmp_path])), "val/acc", "val/acc"))
    said = ["Without lr=0.2, whose runs have no part in common." in figure.caption for figure in figures]
    assert said == [False, False, True]
    assert [" lr=0.1: n = 2 seeds." in figure.caption for figure in figures] == said  # one curve has no legend


@pytest.mark.parametrize(("worst", "log"), [(1e6, True), (5.0, False)])
def test_losses_that_lie_decades_apart_are_told_apart(make_run, tmp_path, worst, log):
    for lr, loss in ((0.1, 0.5), (0.2, worst)):
        make_run(f"{lr}", lr=lr, metrics={"test/loss": loss}, curve=[loss, 0.9 * loss], watched="val/loss")
    groups = group_runs(find_runs([tmp_path]))
    for drawing in (means_figure(groups, "test/loss"), *curve_figures(groups, "val/loss", "test/loss")):
        assert all((f">{number}<" in drawing.svg) == log for number in (10, 1000, 100000))


def test_no_accuracy_above_all_or_below_none_is_on_an_axis(make_run, tmp_path):
    for seed, acc in enumerate((0.6, 0.99)):
        make_run(f"a{seed}", seed=seed, acc=acc, curve=[0.1 * acc, acc])
    groups = group_runs(find_runs([tmp_path]))
    epochs, _, seconds = curve_figures(groups, "val/acc", "test/acc")
    for drawing in (means_figure(groups, "test/acc"), epochs, seconds):
        numbers = re.findall(r">(−?)([\d.]+)</text>", drawing.svg)
        assert len(numbers) > 3
        assert all(not minus and float(number) <= 100 for minus, number in numbers)


def test_a_fraction_of_a_second_has_its_numbers_and_epochs_are_whole(make_run, tmp_path):
    folder = make_run("a")
    (folder / "metrics.csv").write_text("step,epoch,seconds,val/acc\n1,1,0.61,0.1\n2,2,1.32,0.2\n")
    epochs, steps, seconds = curve_figures(group_runs(find_runs([tmp_path])), "val/acc", "val/acc")
    assert [">0.8<" in drawing.svg for drawing in (epochs, steps, seconds)] == [False, False, True]
    assert [">1.5<" in drawing.svg for drawing in (epochs, steps)] == [False, False]


def test_a_setting_has_its_colour_in_every_figure(make_run, tmp_path):
    for number, acc in enumerate((0.9, 0.8, 0.7)):
        folder = make_run(f"a{number}", lr=0.1 * (number + 1), acc=acc, curve=[0.1, acc])
        if not number:
            (folder / "metrics.csv").write_text("step,epoch,seconds,val/loss\n1,1,1,0.5\n2,2,2,0.4\n")
    groups = group_runs(find_runs([tmp_path]))
    (alone, *_), (both, *_) = (list(curve_figures(groups, metric, "test/acc")) for metric in ("val/loss", "val/acc"))
    assert PALETTE[0] in alone.svg
    assert [colour in both.svg for colour in PALETTE[:4]] == [False, True, True, False]


def test_n_below_a_figure_is_the_number_of_seeds_that_it_shows(make_run, tmp_path):
    for number, seed in enumerate((0, 0, 1, 1, 2)):
        make_run(f"a{number}", seed=seed, lr=0.1, curve=[] if seed == 2 else [0.1, 0.2])
    for seed in (0, 1, 2):
        make_run(f"b{seed}", seed=seed, lr=0.2, curve=[0.1, 0.2])
    groups = group_runs(find_runs([tmp_path]))
    assert "n = 3 seeds each." in means_figure(groups, "test/acc").caption
    for drawing in curve_figures(groups, "val/acc", "val/acc"):
        assert "n seeds: lr=0.1 2, lr=0.2 3." in drawing.caption
