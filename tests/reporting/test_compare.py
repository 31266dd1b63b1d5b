"""`lightsweep.compare`: a report's numbers, from Python."""

import pytest

from lightsweep import ConfigError, RunFolderError, compare


def test_settings_are_compared_over_the_seeds_that_they_share(tmp_path, make_run):
    values = {"sgd": (0.5, 0.7, 0.9), "adam": (0.4, 0.5, 0.6)}
    for optimizer, found in values.items():
        for seed, acc in enumerate(found):
            make_run(f"{optimizer}-{seed}", seed=seed, acc=acc, optimizer=optimizer)

    found = compare(tmp_path / "outputs")

    assert found.metric == "test/acc"
    assert {name: estimate.mean for name, estimate in found.estimates.items()} == pytest.approx(
        {"sgd": 0.7, "adam": 0.5}
    )
    # three values 0.2 apart: standard error 0.2 / sqrt 3, t of two degrees of freedom 4.30265
    assert found.estimates["sgd"].half_width == pytest.approx(4.30265 * 0.2 / 3**0.5, rel=1e-5)
    (pair,) = found.differences
    assert {pair.first, pair.second} == {"sgd", "adam"}
    sign = 1 if pair.first == "sgd" else -1
    # 0.1, 0.2 and 0.3: mean 0.2, standard error 0.1 / sqrt 3
    assert (pair.estimate.n, pair.estimate.mean) == (3, pytest.approx(sign * 0.2))
    assert pair.estimate.half_width == pytest.approx(4.30265 * 0.1 / 3**0.5, rel=1e-5)
    assert compare([str(tmp_path / "outputs" / "sgd-0")], "seconds").estimates["mlp sgd"].mean == 10


def test_losses_of_different_kinds_are_not_what_settings_are_ranked_by(tmp_path, make_run):
    for optimizer, loss in (("sgd", "half the squared error"), ("adam", "mine.Huber")):
        for seed, mae in enumerate((0.5, 0.7)):
            metrics = {"test/loss": mae, "test/mae": mae, "train/r2": 0.1, "test/own": 0.1}
            name, said = f"{optimizer}-{seed}", {"mae": "min", "own": None, "r2": "max"}
            make_run(name, seed, optimizer=optimizer, loss=loss, metrics=metrics, directions=said)

    assert compare(tmp_path / "outputs").metric == "test/mae"
    (pair,) = compare(tmp_path / "outputs", "test/loss").differences
    assert (pair.adjusted, pair.note) == (None, "losses of different kinds")
    assert compare(tmp_path / "outputs" / "sgd-0").metric == "test/loss"


def test_what_cannot_be_compared_is_said(tmp_path, make_run):
    make_run("ended", acc=0.5)
    make_run("failed", acc=None, status="failed", metrics={})

    with pytest.raises(RunFolderError, match=r"nowhere is no folder$"):
        compare(tmp_path / "nowhere")
    with pytest.raises(RunFolderError, match=r"^no completed run to compare in .*failed$"):
        compare(tmp_path / "outputs" / "failed")
    with pytest.raises(ConfigError, match=r"^`metric` must be one of test/acc, val/acc, seconds but got 'test/acu'$"):
        compare(tmp_path / "outputs", "test/acu")
