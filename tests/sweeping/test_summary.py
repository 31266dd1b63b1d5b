"""The text of a sweep's end: the ten best, and why trials failed."""

from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from rich.console import Console

from lightsweep.sweeping import marks
from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.results import ranked_trials
from lightsweep.sweeping.space import build_space
from lightsweep.sweeping.summary import error_line, failure_table, summary_lines, top_table, trial_line

SPACE = build_space({"x": "interval(0,100)", "when": {"o=a": {"y": "range(3)"}}}, None, [])


@pytest.fixture
def study():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    for number in range(14):
        trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 100)})
        if number % 7 == 6:
            trial.set_user_attr(marks.REASON, "RuntimeError: no")
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, float(number))
    return study


@pytest.fixture
def plan():
    return Plan("s", "journal:/x", Path("/sweep"), ("maximize",), {}, None, SPACE, 14)


def test_ten_best_come_best_first(study):
    assert [trial.number for trial in ranked_trials(study)[:10]] == [12, 11, 10, 9, 8, 7, 5, 4, 3, 2]


@pytest.mark.parametrize(("direction", "expected"), [("maximize", [1, 3, 0, 2]), ("minimize", [0, 2, 1, 3])])
def test_of_equal_trials_the_first_is_the_better(direction, expected):
    study = optuna.create_study(direction=direction)
    for value in (1.0, 2.0, 1.0, 2.0):
        study.tell(study.ask(), value)
    assert [trial.number for trial in ranked_trials(study)] == expected


def test_summary_counts_and_names_the_folder(study, plan):
    lines = summary_lines(study, plan)
    assert lines[0] == "study s: 14 of 14 trials finished (12 complete, 0 pruned, 2 failed)"
    assert lines[-1] == "files: /sweep"
    assert len(lines) == 12


def test_one_trial_is_no_plural(plan):
    study = optuna.create_study()
    study.tell(study.ask(), 1.0)
    head = summary_lines(study, replace(plan, n_trials=1, directions=("minimize",)))[0]
    assert head.startswith("study s: 1 of 1 trial finished (")


@pytest.mark.parametrize(
    ("changes", "exhausted", "head"),
    [
        ({"n_trials": 20, "deadline": 1.0}, False, "14 of 20 trials finished (…); the time (`timeout_s`) is up"),
        ({"n_trials": 20}, True, "14 of 20 trials finished (…); the space has no more points"),
        ({"n_trials": 20, "deadline": 1.0, "max_failure_rate": 0.0}, False, "14 of 20 trials finished (…)"),
        ({"n_trials": 14, "deadline": 1.0}, True, "14 of 14 trials finished (…)"),
        ({"n_trials": 3}, False, "14 trials finished, 3 wanted (…)"),
    ],
)
def test_summary_says_what_ended_the_sweep_early_or_that_it_had_ended(study, plan, changes, exhausted, head):
    study.set_user_attr(marks.STUDY_EXHAUSTED, exhausted)
    shown = summary_lines(study, replace(plan, **changes))[0]
    assert shown == f"study s: {head.replace('…', '12 complete, 0 pruned, 2 failed')}"


def test_summary_counts_the_enqueued_settings_that_no_trial_had(study, plan):
    study.enqueue_trial({"x": 1.0})
    study.enqueue_trial({"x": 2.0}, user_attrs={marks.RUN_AGAIN_OF: 3})
    assert summary_lines(study, plan)[0].endswith("2 failed); settings enqueued but not tried: 1")


def test_line_of_a_failed_trial_ends_with_its_reason(study, plan):
    assert trial_line(study.trials[6], plan).endswith("RuntimeError: no")
    assert failure_table(study) == "    2 × RuntimeError: no"


def test_the_error_of_a_trial_is_shown_that_failed_as_most_did_and_has_left_one(study, tmp_path):
    assert error_line(study) == ""
    for number, reason in enumerate(("other", "most", "most", "most"), 14):
        trial = study.ask()
        trial.set_user_attr(marks.REASON, reason)
        trial.set_user_attr(marks.FOLDER, str(tmp_path / str(number)))
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        (tmp_path / str(number)).mkdir()
        if number != 15:
            (tmp_path / str(number) / "error.txt").touch()

    assert error_line(study) == f"the error of trial 16: {tmp_path / '16' / 'error.txt'}"


def test_table_has_a_column_for_each_parameter(study, plan):
    console = Console(record=True, width=100, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(top_table(ranked_trials(study)[:10], plan))
    text = console.export_text()
    assert "value maximized" in text
    assert " 12 " in text
