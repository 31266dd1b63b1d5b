"""The optimizer comparison from its command to its report: tuned, run again, tested last, reported."""

import csv
import json
import re

import pytest
from omegaconf import OmegaConf

from lightsweep import cli
from lightsweep.reporting.after_multirun import ReportAfterMultirun


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_optimizer_comparison_ends_with_the_report(command, mnist_root, tmp_path):
    words = [
        "-m", "experiment=optimizer_comparison", "model=softmax_regression", "optimizer=sgd,adam", "data.val_size=50",
        f"data.root={mnist_root}", "data.batch_size=50", "trainer.max_epochs=1", "trainer.limit_train_batches=4",
        "logger=none", "hydra.sweeper.n_trials=2", "hydra.sweeper.rerun_best.seeds=2", "hydra/launcher=basic",
        f"hydra.sweep.dir={tmp_path}/c",
    ]  # fmt: skip
    done = command(cli.train, *words)
    assert done.code == 0, done.err
    report = tmp_path / "c" / "report"
    settings = {row["setting"]: row for row in csv.DictReader((report / "settings.csv").read_text().splitlines())}
    assert set(settings) == {"sgd", "adam"}
    for name, row in settings.items():
        results = [
            json.loads(path.read_text()) for path in sorted((tmp_path / "c" / name / "rerun").glob("*/result.json"))
        ]
        assert [result["seed"] for result in results] == [1, 2]
        assert float(row["test/acc"]) == pytest.approx(sum(result["test/acc"] for result in results) / 2)
        trials = [json.loads((tmp_path / "c" / name / str(number) / "result.json").read_text()) for number in (0, 1)]
        assert [trial["test/acc"] for trial in trials] == [None, None]
    assert "| setting | n completed |" in done.out
    assert f"report in {report / 'report.html'}" in done.out


GRID = ("-m", "model=softmax_regression", "trainer.max_epochs=1", "trainer.limit_train_batches=4", "logger=none",
        "trainer.accelerator=cpu", "hydra.sweep.dir='my grid'")  # fmt: skip


@pytest.mark.parametrize(
    ("rates", "told"),
    [
        ("0.1,0.2,1e38", "3 runs: 2 completed, 1 diverged; means and differences: python report.py 'my grid'"),
        ("1e38", "1 run: 1 diverged"),
    ],
)
def test_a_grid_ends_with_what_became_of_its_runs_and_how_they_are_compared(command, data, rates, told):
    ended = command(cli.train, *GRID, *data, f"optimizer.lr={rates}")

    assert ended.out.splitlines()[-1] == told
    assert ended.err.startswith("error: the training loss became ") or "\nerror: the training loss" in ended.err


def test_a_grid_that_is_refused_says_nothing_of_runs(command, data):
    refused = command(cli.train, *GRID, *data, "optimizer.lr=0.1,-1")

    assert (refused.code, refused.out) == (2, "")


def test_where_the_report_follows_there_is_no_word_of_it(command, data):
    report = "+hydra.callbacks.report._target_=lightsweep.reporting.after_multirun.ReportAfterMultirun"

    ended = command(cli.train, *GRID, *data, "seed=0,1", report)

    assert ended.out.endswith("report in my grid/report/report.html\n")
    assert "means and differences" not in ended.out


def test_an_error_of_the_report_is_one_line(tmp_path, capsys):
    config = OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}})

    with pytest.raises(SystemExit, match="2"):
        ReportAfterMultirun().on_multirun_end(config)

    assert re.fullmatch(rf"error: no run in {re.escape(str(tmp_path))}.*\n", capsys.readouterr().err)
