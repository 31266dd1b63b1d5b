"""The command `report.py`: what it prints, and what it says to bad input."""

import pytest

from lightsweep.cli import report


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no folder is named: python report.py <folder of runs>"),
        (["nowhere"], "nowhere is no folder"),
        (["out", "metric"], "out is no folder"),
        (["out=there"], "no folder is named"),
        (["empty"], "no run in empty"),
        (["empty", "ot=x"], "`ot` is no known key; did you mean 'out'?"),
        (["empty", "target=high"], "`target` must be a number but got 'high'"),
    ],
)
def test_mistakes_of_the_command_line_are_one_line(command, tmp_path, words, message):
    for name in ("empty", "out=there"):
        (tmp_path / name).mkdir()

    ended = command(report, *words)

    assert (ended.code, ended.out) == (2, "")
    assert ended.line.startswith("error: ")
    assert message in ended.line


def test_metric_that_is_a_number_is_named_too(command, outputs):
    ended = command(report, outputs, "metric=5")

    assert (ended.code, ended.line) == (2, "error: `metric` is 5, which no run has")


def test_command_prints_the_table_and_where_the_page_is(command, outputs):
    (outputs / "a0").rename(outputs / "lr=0.1,seed=0")  # as Hydra names the folders of a multirun

    ended = command(report, "outputs", "outputs/lr=0.1,seed=0")

    assert (ended.code, ended.err) == (0, "")
    assert "| sgd | 3 of 3 | 92.0 ± 5.0 |" in ended.out
    assert "report in outputs/report/report.html" in ended.out
