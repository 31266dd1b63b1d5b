"""The whole report: its files, its words, and what it says to metrics that are none."""

import csv
import json
import re
from pathlib import Path

import pytest

from lightsweep.errors import ConfigError, RunFolderError
from lightsweep.reporting.budget_figure import budget_figure
from lightsweep.reporting.drawing import PALETTE
from lightsweep.reporting.grouping import group_runs
from lightsweep.reporting.report import write_report
from lightsweep.reporting.runs import find_runs
from lightsweep.reporting.sections import curves, results, time_to_target
from lightsweep.reporting.studies import find_sweeps
from lightsweep.statistics import Estimate


def rows(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_by_the_seconds_the_curves_and_the_target_are_those_of_the_monitored_metric(outputs):
    groups = group_runs(find_runs([outputs]))
    target = time_to_target(groups, "seconds", None)
    assert target.text[0].startswith("When val/acc is first at least")
    assert {drawing.title.partition(" ")[0] for drawing in curves(groups, "seconds").figures} == {"val/acc"}


def test_tables_hold_the_means_of_the_runs_result_files(outputs):
    done = write_report([outputs])
    assert done.paths.folder == outputs / "report"
    settings = {row["setting"]: row for row in rows(done.paths.settings)}
    for name, letter in (("sgd", "a"), ("adam", "b")):
        results = [json.loads((outputs / f"{letter}{seed}" / "result.json").read_text()) for seed in range(3)]
        estimate = Estimate.of([result["test/acc"] for result in results])
        row = settings[name]
        assert float(row["test/acc"]) == estimate.mean
        assert float(row["test/acc_half_width_95"]) == estimate.half_width
        assert (row["test/acc_n"], row["completed"]) == ("3", "3")
        shown = f"{100 * estimate.mean:.1f} ± {100 * estimate.half_width:.1f}"
        assert re.search(rf"\| {name} \| 3 of \d \| {shown} ", done.summary)
    assert settings["adam"]["runs"] == "4"
    assert [name in done.paths.markdown.read_text() for name in ("**test/acc (%)**", "**val/acc (%)**")] == [True, True]
    (pair,) = [row for row in rows(done.paths.differences) if row["metric"] == "test/acc"]
    difference = Estimate.of([0.9 - 0.8, 0.92 - 0.84, 0.94 - 0.85])
    assert float(pair["difference"]) == pytest.approx(difference.mean)
    assert float(pair["half_width_95"]) == pytest.approx(difference.half_width)


def test_every_run_is_in_the_table_and_the_failed_one_with_its_reason(outputs):
    done = write_report([outputs])
    found = {Path(row["folder"]).name: row for row in rows(done.paths.runs)}
    assert set(found) == {"a0", "a1", "a2", "b0", "b1", "b2", "c"}
    assert (found["c"]["status"], found["c"]["reason"]) == ("diverged", "the loss became nan at step 7")
    assert float(found["a1"]["test/acc"]) == 0.92
    for path in (done.paths.page, done.paths.markdown):
        assert "the loss became nan at step 7" in path.read_text()
    for row in (
        "| c | adam | diverged | 3 |",
        "| c | adam | run | diverged | 3 |",
        "| a1 | sgd | run | completed | 1 |",
    ):
        assert row in done.paths.markdown.read_text()
    assert "7 runs read: 6 completed, 1 diverged." in done.summary


def test_page_is_whole_in_itself_and_has_every_figure(outputs):
    done = write_report([outputs])
    page = done.paths.page.read_text()
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert "<script" not in page
    assert "url(http" not in page
    names = {path.stem for path in (done.paths.folder / "figures").iterdir()}
    assert {"means-test-acc", "val-acc-by-epoch", "val-acc-by-step", "val-acc-by-seconds"} <= names
    assert page.count("<figure ") == len(names)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for name in names:
        assert f"(figures/{name}.png)" in done.paths.markdown.read_text()


def test_names_from_outside_are_text_on_the_page(make_run, tmp_path):
    make_run("a", optimizer="<b>x</b>")
    make_run("b", optimizer="adam", status="failed", reason="<script>alert(1)</script> | $x$")
    page = write_report([tmp_path / "outputs"]).paths.page.read_text()
    assert "<script" not in page
    assert "<b>x" not in page


def test_sweep_has_its_figures_and_its_failures(make_sweep):
    folder = make_sweep("s", [0.5, None, 0.7, "failed", 0.6, 0.65])
    done = write_report([folder])
    names = {path.stem for path in (done.paths.folder / "figures").iterdir()}
    expected = {"history", "importances", "map", "slice-optimizer-lr", "slice-optimizer-momentum", "trials"}
    assert names == {"tuning-budget"} | {f"sweep-s-{what}" for what in expected}
    text = done.paths.markdown.read_text()
    assert "6 trials finished (4 complete, 1 pruned, 1 failed)" in text
    assert "| trial 2 | 70.00 | 0.01 |" in text
    assert "it burst" in text
    assert rows(done.paths.settings) == []


@pytest.mark.parametrize(("sweeps", "mark"), [(3, "band"), (4, "bars beside each other")])
def test_budget_of_many_sweeps_has_bars_where_bands_would_lie_on_each_other(make_sweep, sweeps, mark):
    folders = [make_sweep(f"s{number}", [0.5, 0.7, 0.6, 0.65, 0.4, 0.2, 0.68]) for number in range(sweeps)]
    drawing = budget_figure(find_sweeps(folders, find_runs(folders)), "val/acc")
    kinds = ("FillBetweenPolyCollection", "LineCollection")
    drawn = [drawing.svg.count(f'id="tuning-budget-{kind}') for kind in kinds]
    assert drawn == ([sweeps, 0] if mark == "band" else [0, sweeps])
    assert f"; {mark}: 95 % percentile" in drawing.caption


@pytest.mark.parametrize("first", [{}, {"metrics": {"val/loss": 0.2}, "watched": "val/loss", "curve": [0.5, 0.4]}])
def test_what_the_first_run_lacks_is_shown_of_the_others(make_run, tmp_path, first):
    make_run("a", seed=0, **first)  # its metrics.csv is gone, or it is of a task without accuracies
    make_run("b", seed=1, optimizer="adam", curve=[0.5, 0.6])
    done = write_report([tmp_path / "outputs"])
    assert (done.paths.folder / "figures" / "val-acc-by-epoch.png").is_file()
    text = done.paths.markdown.read_text()
    assert "When val/acc is first at least 60.00 %" in text
    assert "| adam | 1 of 1 | 200 | 5 |" in text
    assert "0 of 0" not in text


def test_a_sweep_has_the_colour_of_the_setting_of_its_name(make_sweep):
    folders = [make_sweep(name, [0.5, 0.7, 0.6]) for name in ("adam", "sgd")]
    sweeps = find_sweeps(folders, find_runs(folders))
    drawn = [budget_figure(sweeps, "val/acc", settings).svg for settings in ((), ["other", "sgd", "more", "adam"])]
    assert [[colour in svg for colour in PALETTE[:4]] for svg in drawn] == [
        [True, True, False, False],
        [False, True, False, True],
    ]


def test_runs_with_different_metrics_share_a_table(make_run, tmp_path):
    make_run("a", metrics={"test/acc": 0.5, "val/acc": 0.4})
    make_run("b", optimizer="adam", metrics={"test/loss": 0.25})
    done = write_report([tmp_path / "outputs"])
    table = {row["setting"]: row for row in rows(done.paths.settings)}
    assert (table["sgd"]["test/acc"], table["sgd"]["test/loss"]) == ("0.5", "")
    assert (table["adam"]["test/acc"], table["adam"]["test/loss"]) == ("", "0.25")
    assert "no two settings were run on the same seeds, two or more." in done.paths.markdown.read_text()
    assert rows(done.paths.differences) == []


def test_what_differs_shows_callbacks_by_their_classes_and_no_group_that_the_name_says(make_run, tmp_path):
    make_run("a", callbacks={})
    make_run("b", callbacks={"mine": {"_target_": "my_project.Shrink"}})
    make_run("c", callbacks={}, optimizer="adam")
    tables = results(group_runs(find_runs([tmp_path])), ["test/acc"], "test/acc").tables
    assert list(tables["What differs"].head) == ["setting", "callbacks", "callbacks.mine"]
    assert [list(row[1:]) for row in tables["What differs"].rows] == [["none", "–"], ["–", "Shrink"], ["none", "–"]]


def test_a_number_too_large_for_a_variance_counts_as_none(make_run, make_sweep, tmp_path):
    for seed in (0, 1):
        make_run(f"r{seed}", seed=seed, metrics={"test/loss": 1.5e308, "val/loss": 0.5 + seed}, curve=[0.1, -1.2e308])
    make_sweep("s", [1.7e308, 0.5, -1.2e308, 0.7], rises=False)

    done = write_report([tmp_path / "outputs"])

    assert "e+308" not in done.paths.settings.read_text()
    assert [row["val/loss"] for row in rows(done.paths.settings)] == ["1.0"]


def test_one_run_is_shown_without_an_interval(make_run, tmp_path):
    folder = make_run("a", acc=0.5, curve=[0.5])
    done = write_report([folder])
    assert "| mlp sgd | 1 of 1 | 50.00 | 50.00 | 10 |" in done.summary
    assert "1 run read: 1 completed." in done.summary
    assert (folder / "report" / "report.html").is_file()


def test_a_setting_of_which_no_run_completed_is_named_below_the_printed_table(make_run, tmp_path):
    make_run("a")
    for seed in (0, 1):
        make_run(f"b{seed}", seed, optimizer="adam", status="diverged")

    printed = write_report([tmp_path / "outputs"]).summary

    assert printed.splitlines()[-1] == "Not in the table: adam (2 diverged)."


def test_runs_of_which_none_completed_are_still_listed(make_run, tmp_path):
    make_run("a", status="running")
    folder = make_run("b")
    (folder / "result.json").write_text("{")
    done = write_report([tmp_path / "outputs"], tmp_path / "elsewhere")
    text = done.paths.markdown.read_text()
    assert "it runs still, or was killed" in text
    assert "result.json is damaged" in text
    assert done.paths.folder == tmp_path / "elsewhere"


def test_one_trial_is_no_many(make_sweep):
    done = write_report([make_sweep("s", [0.5])])
    assert "1 is a sweep's trial; trials are not in the means" in done.summary
    text = done.paths.markdown.read_text()
    for words in ("Study s: 1 trial finished", "**The best trial**", "n = 1 trial: 1 complete"):
        assert words in text
    assert "1 trials" not in text


def test_report_is_not_read_as_a_run_and_can_be_written_again(outputs):
    first = write_report([outputs]).summary
    assert write_report([outputs]).summary == first


def test_figures_that_a_report_written_again_has_not_are_removed_and_no_others(outputs):
    figures = write_report([outputs]).paths.figure("").parent
    (figures / "mine.png").write_bytes(b"")
    for run in outputs.glob("[ab]*"):
        (run / "metrics.csv").unlink()
    write_report([outputs])
    assert sorted(path.stem for path in figures.iterdir()) == ["means-test-acc", "mine"]


def test_folders_of_runs_are_written_in_one_way_that_tells_them_apart(make_run, tmp_path, monkeypatch):
    for name in ("one/tuned/rerun/0-1", "two/tuned/rerun/0-1", "two/3"):
        make_run(name)
    monkeypatch.chdir(tmp_path)
    done = write_report([Path("outputs/one"), tmp_path / "outputs" / "two"])
    table = [line.split(" | ")[0] for line in done.paths.markdown.read_text().splitlines() if " | run | " in line]
    places = ["one/tuned/rerun/0-1", "two/3", "two/tuned/rerun/0-1"]
    assert table == [f"| {place}" for place in places]
    assert f"From {tmp_path / 'outputs'}." in done.paths.markdown.read_text()
    assert "| folder in outputs | kind |" in done.paths.markdown.read_text()
    assert [row["folder"] for row in rows(done.paths.runs)] == [str(tmp_path / "outputs" / place) for place in places]


def test_folder_that_cannot_be_written_is_named(outputs, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match=re.escape(f"{tmp_path / 'file'} is a file; name another place: out=")):
        write_report([outputs], tmp_path / "file")


def test_metric_that_no_run_has_is_named(outputs):
    with pytest.raises(ConfigError, match="`metric` is test/ac, which no run has; did you mean 'test/acc'"):
        write_report([outputs], metric="test/ac")


def test_asked_for_metric_ranks_and_target_is_used(outputs):
    done = write_report([outputs], metric="val/acc", target=0.84)
    text = done.paths.markdown.read_text()
    assert "When val/acc is first at least 84.00 % (as asked for)" in text
    assert "| sgd | 3 of 3 | 200 | 5 |" in text
    assert "| adam | 2 of 3 | 200 | 5 |" in text
