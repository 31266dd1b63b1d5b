"""`hydra.sweeper.compare`: a study for each choice of a setting, all tuned before any is run again."""

import csv
import json

import pytest
from omegaconf import OmegaConf

from lightsweep.errors import RunFolderError
from lightsweep.sweeping.comparison import _check_unchanged, _in_folder

TASK = """
import json, pathlib
import hydra
from hydra.core.hydra_config import HydraConfig
from lightsweep.sweeping.trial import current_trial


@hydra.main(config_path="conf", config_name="config", version_base="1.3")
def main(cfg):
    kind = "again" if current_trial() is None else "trial"
    done = pathlib.Path(cfg.log).read_text().splitlines() if pathlib.Path(cfg.log).exists() else []
    stop = pathlib.Path(cfg.stop)
    if stop.exists() and len(done) == int(stop.read_text()):
        raise KeyboardInterrupt
    with open(cfg.log, "a") as log:
        log.write(f"{HydraConfig.get().runtime.choices.optimizer} {kind} {cfg.seed}\\n")
    folder = pathlib.Path(HydraConfig.get().runtime.output_dir)
    (folder / "result.json").write_text(json.dumps({"test/acc": cfg.optimizer.lr + cfg.seed}))
    return cfg.optimizer.lr + cfg.x


if __name__ == "__main__":
    main()
"""
COMPARE = (
    "optimizer=choice(sgd, adam)",
    "optimizer.lr=interval(0.1, 1)",
    "hydra.sweeper.compare=optimizer",
    "hydra.sweeper.n_trials=3",
    "hydra.sweeper.rerun_best.seeds=2",
)


@pytest.fixture
def comparing(app):
    (app.folder / "app.py").write_text(TASK)
    config = (
        f"defaults: [optimizer: sgd, _self_]\nx: 0.0\nseed: 4\nstop: {app.folder}/stop\nlog: {app.folder}/log.txt\n"
    )
    (app.folder / "conf" / "config.yaml").write_text(config)
    return app


def made(app):
    return (app.folder / "log.txt").read_text().splitlines()


def test_every_choice_has_as_many_trials_and_all_are_tuned_before_any_is_run_again(comparing):
    done = comparing.sweep(*COMPARE)
    again = [f"{name} again {seed}" for name in ("sgd", "adam") for seed in (5, 6)]
    assert made(comparing) == ["sgd trial 4"] * 3 + ["adam trial 4"] * 3 + again
    for name in ("sgd", "adam"):
        trials = list(csv.DictReader((comparing.sweep_dir / name / "trials.csv").read_text().splitlines()))
        best = min(trials, key=lambda trial: float(trial["value"]))
        run = comparing.sweep_dir / name / "rerun" / f"{best['number']}-5"
        assert json.loads((run / "result.json").read_text())["test/acc"] == float(best["optimizer.lr"]) + 5
        assert (comparing.sweep_dir / name / "best.yaml").is_file()
    assert "1 of 2: optimizer=sgd" in done.stdout
    assert done.stdout.count("run again on seeds 5, 6") == 2


@pytest.mark.parametrize("count", [4, pytest.param(7, marks=pytest.mark.slow)])
def test_comparison_that_was_stopped_goes_on(comparing, count):
    (comparing.folder / "stop").write_text(str(count))
    comparing.sweep(*COMPARE, code=130)
    assert len(made(comparing)) == count
    (comparing.folder / "stop").unlink()
    done = comparing.sweep(*COMPARE)
    assert "lost" not in done.stdout
    assert "not run" not in done.stdout
    again = [f"{name} again {seed}" for name in ("sgd", "adam") for seed in (5, 6)]
    assert made(comparing) == ["sgd trial 4"] * 3 + ["adam trial 4"] * 3 + again


def test_all_choices_are_run_again_on_seeds_that_none_of_them_used(comparing):
    comparing.sweep(*COMPARE, "seed=range(0,1000)")
    lines = [line.split() for line in made(comparing)]
    greatest = max(int(seed) for _, kind, seed in lines if kind == "trial")
    again = {
        name: [int(seed) for choice, kind, seed in lines if (choice, kind) == (name, "again")]
        for name in ("sgd", "adam")
    }
    assert again["sgd"] == again["adam"]
    assert min(again["sgd"]) > greatest


def test_each_sweep_of_a_comparison_leaves_interpolations_to_its_trials(tmp_path, monkeypatch):
    monkeypatch.setenv("STUDY", "mysql://me:s3cret@h/x")
    lines = ["hydra.sweeper.storage=${oc.env:STUDY}", "hydra.sweep.subdir=n${hydra.job.num}"]
    config = OmegaConf.create({"hydra": {"sweep": {"dir": "before"}, "overrides": {"hydra": lines}}})
    inner = OmegaConf.to_container(_in_folder(config, tmp_path), resolve=False)
    assert inner["hydra"]["overrides"]["hydra"] == [*lines, f"hydra.sweep.dir='{tmp_path}'"]


def test_going_on_with_other_settings_is_refused(comparing):
    comparing.sweep(*COMPARE)
    done = comparing.sweep(*COMPARE, "x=1", code=2)
    assert "was begun with x=0.0, now it is 1; give another `hydra.sweeper.study_name`" in done.stderr
    done = comparing.sweep(*COMPARE, "hydra/sweeper/sampler=random", code=2)
    assert "was begun with hydra.sweeper.sampler" in done.stderr
    assert len(made(comparing)) == 10
    comparing.sweep(*COMPARE, "hydra.sweeper.n_trials=4")  # more trials for all are no other settings
    assert sum(" trial " in line for line in made(comparing)) == 8


@pytest.mark.parametrize("text", ["", "a: ["])
def test_comparison_whose_settings_are_damaged_is_told_in_one_line(tmp_path, text):
    (tmp_path / "multirun.yaml").write_text(text)
    with pytest.raises(RunFolderError, match=rf"^{tmp_path}/multirun.yaml is damaged: .+$"):
        _check_unchanged(OmegaConf.create({"hydra": {"sweeper": {}}}), tmp_path)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("hydra.sweeper.compare=x", "must be a searched setting but is 'x'; searched: optimizer, optimizer.lr"),
        ("hydra.sweeper.compare=optimizer.lr", "`optimizer.lr` is an interval"),
        ("hydra.sweeper.timeout_s=5", "`hydra.sweeper.timeout_s` would leave the last of a comparison fewer trials"),
        ("hydra.sweeper.storage=sqlite:///s.db", "`hydra.sweeper.study_name` is missing"),
    ],
)
def test_impossible_comparison_is_refused_before_any_trial(comparing, override, message):
    done = comparing.sweep(*COMPARE, override, code=2)
    assert message in done.stderr
    assert not (comparing.folder / "log.txt").exists()
