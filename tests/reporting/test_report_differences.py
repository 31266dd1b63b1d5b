"""What a report says of the differences between settings, and which of two is better."""

import csv
import re

import pytest

from lightsweep.reporting import report, sections
from lightsweep.reporting.comparing import differences
from lightsweep.reporting.figures import best_first
from lightsweep.reporting.grouping import group_runs
from lightsweep.reporting.report import write_report
from lightsweep.reporting.runs import find_runs
from lightsweep.reporting.sections import paired


def rows(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_two_equal_differences_show_nothing(make_run, tmp_path):
    for seed, (one, other) in enumerate([(0.8, 0.7), (0.6, 0.5)]):
        make_run(f"a{seed}", seed=seed, acc=one)
        make_run(f"b{seed}", seed=seed, acc=other, optimizer="adam")
    done = write_report([tmp_path / "outputs"])
    assert "| sgd − adam | +10.00 | 2 | – | not shown |" in done.paths.markdown.read_text()
    (pair,) = [row for row in rows(done.paths.differences) if row["metric"] == "test/acc"]
    assert (pair["n"], pair["half_width_95"], pair["p"], pair["p_holm"]) == ("2", "", "", "")


@pytest.fixture
def two_errors(make_run, tmp_path):
    """Two settings on three seeds with a metric `own`, of which the configuration says what the test says."""

    def made(*directions):
        for seed, (one, other) in enumerate([(0.9, 0.1), (0.92, 0.14), (0.94, 0.15)]):
            said = {"own": directions[seed % len(directions)]} if directions else None
            make_run(f"a{seed}", seed=seed, metrics={"test/own": one}, directions=said)
            make_run(f"b{seed}", seed=seed, metrics={"test/own": other}, directions=said, optimizer="adam")
        return write_report([tmp_path / "outputs"], metric="test/own")

    return made


@pytest.mark.parametrize(("said", "better"), [("min", "adam"), ("max", "sgd")])
def test_the_better_of_two_is_so_by_what_the_metric_says_of_itself(two_errors, said, better):
    done = two_errors(said)
    page = done.paths.markdown.read_text()
    first, second = [better, *({"adam", "sgd"} - {better})]
    assert re.search(rf"\| {first} − {second} \| .* \| {better} \|", page)
    assert re.search(rf"\| {first} \|[^\n]*\n\| {second} \|", done.summary)
    assert "Best test/own first" in page


@pytest.mark.parametrize("said", [(), (None,), ("min", "max")])
def test_no_setting_is_better_where_nothing_says_what_better_is(two_errors, said):
    page = two_errors(*said).paths.markdown.read_text()
    assert re.search(r"\| sgd − adam \| .* \| – \|", page)
    assert "The runs do not say whether more test/own is better." in page
    assert "Greatest test/own first" in page
    assert "Best test/own" not in page


@pytest.mark.parametrize(
    ("more", "metric", "said"),
    [
        ({}, None, "nothing ranks them."),
        ({"test/mae": 0.3}, "test/loss", "metric=test/mae ranks them."),
        ({"test/acc": 0.3}, "test/loss", "metric=test/acc ranks them."),
    ],
)
def test_losses_of_different_kinds_rank_nothing(make_run, tmp_path, more, metric, said):
    for place, (optimizer, loss) in enumerate({"sgd": "half the squared error", "adam": "mine.Huber"}.items()):
        for seed in range(3):
            metrics = {"test/loss": 0.1 + place + 0.01 * seed * (place + 1), "val/loss": 0.4, **more}
            given = {"metrics": metrics, "directions": {"mae": "min"}, "loss": loss, "watched": "val/loss"}
            make_run(f"{optimizer}{seed}", seed, optimizer=optimizer, curve=[0.5, 0.4], **given)
    done = write_report([tmp_path / "outputs"], metric=metric)
    page = done.paths.markdown.read_text()
    assert re.search(r"\| sgd − adam \| -1.010 ± 0.025 \| 3 \| – \| losses of different kinds \|", page)
    assert "Where all seeds differ by the same" not in page.partition("Other metrics")[0]
    assert f"losses of different kinds (half the squared error; mine.Huber), which cannot be compared: {said}" in page
    assert said in done.summary
    assert "Least test/loss first" in page
    assert "Best test/loss" not in page
    assert "asks more of some than of others" in page
    (pair,) = [row for row in rows(done.paths.differences) if row["metric"] == "test/loss"]
    assert (pair["p"], pair["p_holm"], pair["note"]) == ("", "", "losses of different kinds")


def test_of_many_pairs_those_with_the_best_setting_that_shares_seeds_are_shown(make_run, tmp_path):
    make_run("best", acc=0.99, lr=9.0)
    for lr in range(1, 10):
        for seed in (0, 1):
            make_run(f"{lr}-{seed}", seed=seed, acc=0.1 * lr - 0.01 * seed * lr, lr=0.5 * lr)
    groups = best_first(group_runs(find_runs([tmp_path])), "test/acc")
    (table,) = paired(groups, {"test/acc": differences(groups, "test/acc")}, "test/acc").tables.values()
    assert len(table.rows) == 8
    assert table.note.startswith("The 8 pairs with lr=4.5; all 36 are in differences.csv.")


def test_of_very_many_settings_the_best_is_compared_with_each_as_strictly_as_among_all(make_run, tmp_path, monkeypatch):
    for lr in range(1, 10):
        for seed in (0, 1, 2):
            make_run(f"{lr}-{seed}", seed=seed, acc=0.1 * lr - 0.01 * seed * lr % 0.04, lr=0.5 * lr)
    every = rows(write_report([tmp_path]).paths.differences)
    for module in (report, sections):
        monkeypatch.setattr(module, "MOST_COMPARED", 8)
    done = write_report([tmp_path])
    found = rows(done.paths.differences)
    wanted = [row for row in every if row["first"] == "lr=4.5"]
    assert [(row["metric"], row["second"], row["p"]) for row in found] == [
        (row["metric"], row["second"], row["p"]) for row in wanted
    ]
    assert len({row["second"] for row in found}) == 8
    among_all = {(row["metric"], row["second"]): row["p_holm"] for row in wanted}
    tested = [row for row in found if row["p_holm"]]
    assert all(float(row["p_holm"]) >= float(among_all[row["metric"], row["second"]]) for row in tested)
    assert min(float(row["p_holm"]) for row in tested) < 1
    assert "The pairs with lr=4.5: of more than 8 settings no others are compared." in done.paths.markdown.read_text()
