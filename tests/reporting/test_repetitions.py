"""Cross-validation in a report: folds repeat a setting as seeds do, and their intervals are wider."""

import math

import pytest

from lightsweep.paths import RunPaths, SweepPaths
from lightsweep.reporting.comparing import differences
from lightsweep.reporting.curves import mean_curve
from lightsweep.reporting.grouping import group_runs, repeated_by
from lightsweep.reporting.repetitions import overlap, told
from lightsweep.reporting.report import write_report
from lightsweep.reporting.runs import find_runs
from lightsweep.reporting.tensorboard.multirun import write_board
from lightsweep.statistics import Estimate, t_quantile

SGD, ADAM = (0.5, 0.7, 0.9, 0.6), (0.4, 0.65, 0.8, 0.55)


@pytest.fixture
def folded(make_run, tmp_path):
    """Two settings on four folds each, with one seed; further folds and seeds by hand."""

    def made(name, acc, fold, num_folds=4, **options):
        make_run(name, acc=acc, data={"fold": fold, "num_folds": num_folds}, **options)

    for optimizer, values in (("sgd", SGD), ("adam", ADAM)):
        for fold, acc in enumerate(values):
            made(f"{optimizer}{fold}", acc, fold, optimizer=optimizer, curve=[acc / 2, acc])
    return made


def groups_of(folder):
    return {group.name: group for group in group_runs(find_runs([folder]))}


def test_folds_repeat_a_setting_and_widen_its_interval(folded, tmp_path):
    groups = groups_of(tmp_path)

    assert groups.keys() == {"sgd", "adam"}
    found, independent = groups["sgd"].estimate("test/acc"), Estimate.of(SGD)
    assert (found.n, found.mean) == (4, independent.mean)
    # variance (1/4 + 1/3) in the place of 1/4: each fold validates on one example for three that it trains on
    assert found.half_width == pytest.approx(independent.half_width * math.sqrt((1 / 4 + 1 / 3) / (1 / 4)))
    assert repeated_by(groups.values()) == "fold"


def test_settings_are_compared_fold_by_fold(folded, tmp_path):
    stats = pytest.importorskip("scipy.stats", reason="scipy is an extra")
    (pair,) = differences(list(groups_of(tmp_path).values()), "test/acc")

    gaps = [one - other for one, other in zip(ADAM, SGD, strict=True)]
    mean = sum(gaps) / 4
    spread = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / 3)
    error = spread * math.sqrt(1 / 4 + 1 / 3)
    assert pair.estimate.mean == pytest.approx(mean)
    assert pair.estimate.half_width == pytest.approx(t_quantile(3) * error)
    assert pair.estimate.p == pytest.approx(2 * stats.t.sf(abs(mean) / error, 3))


def test_folds_of_other_numbers_are_not_paired(folded, tmp_path):
    for fold in range(3):
        folded(f"other{fold}", 0.5, fold, num_folds=5, optimizer="adagrad")

    pairs = differences(list(groups_of(tmp_path).values()), "val/acc")
    assert [{pair.first.split()[0], pair.second.split()[0]} for pair in pairs] == [{"adam", "sgd"}]


def test_repeated_cross_validation_counts_runs(folded, tmp_path):
    for fold, acc in enumerate(SGD):
        folded(f"again{fold}", acc, fold, seed=1)
    group = groups_of(tmp_path)["sgd"]

    assert group.estimate("test/acc").n == 8
    assert repeated_by([group]) == "run"
    assert {told(run) for run in group.completed} == {f"{seed} (fold {fold})" for seed in (0, 1) for fold in range(4)}


def test_seeds_on_one_fold_are_independent_and_a_run_without_folds_is_another_setting(folded, make_run, tmp_path):
    for seed in (0, 1):
        folded(f"one{seed}", 0.5 + seed / 10, 2, seed=seed, optimizer="nadam")
        make_run(f"plain{seed}", seed=seed, data={"fold": None, "num_folds": 4}, optimizer="nadam")
    groups = groups_of(tmp_path)

    assert {name for name in groups if "nadam" in name} == {"nadam fold=each", "nadam fold=null"}
    assert overlap(groups["nadam fold=each"].repetitions) == 0
    assert repeated_by([groups["nadam fold=each"]]) == "seed"


def test_curves_have_the_same_wider_band(folded, tmp_path):
    runs = [run for run in find_runs([tmp_path]) if run.choices["optimizer"] == "sgd"]
    found = mean_curve(runs, "val/acc", "step")

    wanted = Estimate.of(SGD, overlap=1 / 3)
    assert found.half_width[-1] == pytest.approx(wanted.half_width)


def test_a_report_and_a_board_speak_of_folds(folded, tmp_path):
    folder = tmp_path / "outputs"
    for run in find_runs([folder]):
        RunPaths(run.folder).tensorboard.mkdir()
    write_board(folder)
    text = write_report([folder]).paths.markdown.read_text()

    assert "2 settings, told apart by all that changes how a model is trained, but the seed and the fold." in text
    assert "by Student's t over the folds; " in text
    assert (
        "Folds share training examples, for which intervals are widened and p raised (Nadeau and Bengio 2003)." in text
    )
    assert "First less second, fold by fold: what the folds have in common cancels." in text
    assert "n folds" in text
    assert "0 (fold 3)" in text
    assert "seeds" not in text
    boards = {path.name: path for path in SweepPaths(folder).tensorboard.iterdir()}
    assert boards.keys() == {"adam, 4 folds", "sgd, 4 folds"}
