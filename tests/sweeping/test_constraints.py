"""Constraints of a sweep: who breaks them is no winner, whatever its value."""

import csv

from lightsweep.sweeping import marks
from lightsweep.sweeping.results import reason_of

LIMIT = """
def enough(trial, values):
    return [1.0 - trial.params["x"]]  # x must be at least 1


def broken(trial, values):
    yield 5.0
    raise KeyError("no such parameter")
"""
BREAKS = "breaks constraint 0 by"
SPACE = ("x=range(-2,3)", "hydra/sweeper/sampler=grid", "hydra.sweeper.sampler.seed=0")


def test_best_trial_keeps_the_constraints(app, study_of):
    (app.folder / "limits.py").write_text(LIMIT)
    (app.folder / "app.py").write_text((app.folder / "app.py").read_text().replace("(cfg.x - 1) ** 2", "cfg.x"))
    run = app.sweep(*SPACE, "hydra.sweeper.constraints=limits.enough")
    study = study_of(app.sweep_dir)
    assert min(study.trials, key=lambda trial: trial.value).params["x"] == -2  # the least value breaks them
    assert study.best_trial.params["x"] == 1
    assert "x: 1" in (app.sweep_dir / "best.yaml").read_text()
    shown = [line for line in run.stdout.partition("trials finished")[2].splitlines() if line.startswith("trial ")]
    assert [line.split("x=")[1] for line in shown] == ["1", "2"]
    rows = list(csv.DictReader((app.sweep_dir / "trials.csv").read_text().splitlines()))
    reasons = {row["x"]: row["reason"] for row in rows}
    assert reasons == {"-2": f"{BREAKS} 3", "-1": f"{BREAKS} 2", "0": f"{BREAKS} 1", "1": "", "2": ""}
    lines = run.stdout.partition("trials finished")[0].splitlines()
    assert sum(line.endswith(f"x=-2  {BREAKS} 3") for line in lines) == 1


def test_constraint_that_raises_fails_the_trial(app, study_of):
    (app.folder / "limits.py").write_text(LIMIT)
    app.sweep(*SPACE, "hydra.sweeper.constraints=limits.broken", "hydra.sweeper.max_failure_rate=1")
    trials = study_of(app.sweep_dir).trials
    assert {trial.user_attrs[marks.REASON] for trial in trials} == {"constraints: KeyError: 'no such parameter'"}
    assert {reason_of(trial) for trial in trials} == {"constraints: KeyError: 'no such parameter'"}


def test_without_a_trial_that_keeps_them_there_is_no_winner(app, study_of):
    (app.folder / "limits.py").write_text(LIMIT)
    run = app.sweep("x=range(-2,1)", "hydra/sweeper/sampler=grid", "hydra.sweeper.constraints=limits.enough")
    assert "0 failed); no trial keeps the constraints, so there is no best.yaml" in run.stdout
    assert len(study_of(app.sweep_dir).trials) == 3
    assert not (app.sweep_dir / "best.yaml").exists()
