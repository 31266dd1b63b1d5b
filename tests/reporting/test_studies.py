"""Sweeps read back, and the tuning-budget curve."""

import itertools
import shutil

import numpy as np
import optuna
import pytest
import yaml
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from lightsweep.reporting import sections
from lightsweep.reporting.report import write_report
from lightsweep.reporting.runs import find_runs, is_sweep
from lightsweep.reporting.studies import (
    at_edge,
    budget_band,
    budget_values,
    expected_best,
    find_sweeps,
    importances,
    told_by_studies,
)
from lightsweep.sweeping import storage as storage_module
from lightsweep.sweeping.storage import open_storage


def sweep_of(folder):
    (sweep,) = find_sweeps([folder], find_runs([folder]))
    return sweep


def test_expected_best_is_the_mean_over_every_draw_with_replacement():
    values, budgets = [0.3, 0.9, 0.5], np.array([1, 3])
    draws = [list(itertools.product(values, repeat=n)) for n in budgets]
    for best, rises in ((max, True), (min, False)):
        means = [sum(map(best, drawn)) / len(drawn) for drawn in draws]
        assert expected_best(values, rises, budgets) == pytest.approx(means)
        assert expected_best([values, [1, 1, 1]], rises, budgets) == pytest.approx(np.array([means, [1, 1]]))


def test_band_encloses_the_curve_and_is_the_same_every_time():
    values, budgets = list(np.random.default_rng(1).normal(size=20)), np.arange(1, 21)
    low, high = budget_band(values, True, budgets)
    expected = expected_best(values, True, budgets)
    assert np.all(low <= expected)
    assert np.all(expected <= high)
    assert np.array_equal(low, budget_band(values, True, budgets)[0])


def test_pruned_trials_count_with_what_they_reported_and_failed_ones_with_the_worst(make_sweep):
    sweep = sweep_of(make_sweep("s", [0.5, None, "failed", 0.1]))
    assert budget_values(sweep) == [0.5, 0.3, 0.1, 0.1]
    assert [trial.number for trial in sweep.ranked()] == [0, 3]


def test_trials_that_broke_a_constraint_are_no_best_ones(make_sweep):
    folder = make_sweep("s", [0.5, 0.9, 0.1], broken=[1])
    sweep = sweep_of(folder)
    assert [trial.number for trial in sweep.ranked()] == [0, 2]
    assert budget_values(sweep) == [0.5, 0.1, 0.1]
    assert "| trial 0 | 50.00 |" in write_report([folder]).paths.markdown.read_text()


def test_sweep_of_which_no_trial_kept_the_constraints_has_no_best_one(make_sweep):
    text = write_report([make_sweep("s", [0.5, 0.9], broken=[0, 1])]).paths.markdown.read_text()
    assert "2 trials finished (2 complete" in text
    assert "The best" not in text


def test_best_of_a_falling_objective_is_the_least(make_sweep):
    sweep = sweep_of(make_sweep("s", [0.5, 0.2, 0.9], rises=False))
    assert [trial.number for trial in sweep.ranked()] == [1, 0, 2]


def test_sweep_is_found_from_one_of_its_trials(make_sweep):
    folder = make_sweep("s", [0.5, 0.6])
    (sweep,) = find_sweeps([folder / "1"], find_runs([folder / "1"]))
    assert (sweep.name, len(sweep.trials)) == ("s", 2)


def test_reading_changes_nothing_in_the_folder(make_sweep):
    folder = make_sweep("s", [0.5, 0.6])
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    sweep_of(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_torn_last_line_of_a_journal_costs_that_line_only(make_sweep):
    folder = make_sweep("s", [0.5, 0.6])
    with (folder / "study.journal").open("a") as file:
        file.write('{"op_code": 4, "worker')
    assert len(sweep_of(folder).trials) == 2


@pytest.mark.parametrize("content", ["", "no journal\nat all\n", '{"op_code": 99}\n'])
def test_journal_that_cannot_be_read_is_said(make_sweep, content):
    folder = make_sweep("s", [0.5])
    (folder / "study.journal").write_text(content)
    sweep = sweep_of(folder)
    assert sweep.study is None
    assert sweep.trials == []
    assert "study" in sweep.note


def in_storage(folder, storage, cwd=None, **sweeper):
    """Moves a sweep's study out of its folder, as if its configuration had named the storage."""
    (folder / "study.journal").rename(folder / "trials.csv")
    sweeper = {
        "_target_": "hydra_plugins.lightsweep_optuna.optuna_sweeper.OptunaSweeper",
        "storage": storage,
        **sweeper,
    }
    hydra = {"sweeper": sweeper, "runtime": {"cwd": str(cwd or folder)}}
    (folder / "multirun.yaml").write_text(yaml.safe_dump({"hydra": hydra}))


def test_study_in_a_journal_elsewhere_is_read(make_sweep, tmp_path):
    folder = make_sweep("s", [0.5, 0.6])
    shutil.copy(folder / "study.journal", tmp_path / "other.journal")
    in_storage(folder, "journal:other.journal", tmp_path, study_name="s")
    assert [trial.value for trial in sweep_of(folder).trials] == [0.5, 0.6]


@pytest.fixture
def make_sqlite(make_sweep):
    """Writes a sweep of which the study is in `studies.db` beside its folder, with another's."""

    def made(values, **sweeper):
        folder = make_sweep("s", values)
        before = sweep_of(folder).study
        storage = open_storage(f"sqlite:///{folder.parent / 'studies.db'}", for_sweep=True)
        optuna.create_study(study_name="another", storage=storage)
        optuna.copy_study(from_study_name="s", from_storage=before._storage, to_storage=storage)
        in_storage(folder, "sqlite:///studies.db", folder.parent, **{"study_name": "s", **sweeper})
        return folder, storage

    return made


def close(storage):
    storage._backend.remove_session()
    storage._backend.engine.dispose()
    storage_module._open_once.cache_clear()


def test_study_in_sqlite_is_read_as_from_a_journal_and_nothing_is_changed(make_sqlite):
    folder, storage = make_sqlite([0.5, None, "failed", 0.1])
    close(storage)
    before = {path: path.read_bytes() for path in folder.parent.rglob("*") if path.is_file()}
    sweep = sweep_of(folder)
    assert sweep.note == ""
    assert sweep.study.study_name == "s"
    assert budget_values(sweep) == [0.5, 0.3, 0.1, 0.1]
    assert [trial.number for trial in sweep.ranked()] == [0, 3]
    assert sweep.trials[2].user_attrs["lightsweep:reason"] == "it burst"
    assert {path: path.read_bytes() for path in folder.parent.rglob("*") if path.is_file()} == before


def test_study_in_sqlite_that_is_being_written_is_read_to_its_last_trial(make_sqlite):
    folder, storage = make_sqlite([0.5])
    optuna.load_study(study_name="s", storage=storage).add_trial(create_trial(value=0.7))
    assert (folder.parent / "studies.db-wal").stat().st_size > 0
    assert [trial.value for trial in sweep_of(folder).trials] == [0.5, 0.7]
    close(storage)


def test_comparisons_study_is_named_by_its_choice(make_sqlite):
    folder, storage = make_sqlite([0.5], study_name="mine", compare="optimizer")
    optuna.copy_study(
        from_study_name="s", from_storage=storage, to_storage=storage, to_study_name=f"mine-{folder.name}"
    )
    close(storage)
    assert sweep_of(folder).study.study_name == "mine-s"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("gone.db", None, "gone.db, which is not there; its trials are in trials.csv"),
        ("torn.db", b"SQLite format 3\0" + b"x" * 5000, "its study cannot be read: "),
        ("text.db", b"no database\n", "its study cannot be read: "),
        ("empty.db", b"", "its study cannot be read: it holds no study"),
    ],
)
def test_sqlite_file_that_cannot_be_read_is_said_and_left_as_it_is(make_sweep, name, content, reason):
    folder = make_sweep("s", [0.5])
    in_storage(folder, f"sqlite:///{name}")
    if content is not None:
        (folder / name).write_bytes(content)
    sweep = sweep_of(folder)
    assert (sweep.study, sweep.trials) == (None, [])
    assert reason in sweep.note
    assert (folder / name).exists() == (content is not None)
    assert not content or (folder / name).read_bytes() == content


def test_other_studies_are_not_taken_for_a_sweeps(make_sqlite):
    folder, storage = make_sqlite([0.5], study_name="third")
    close(storage)
    assert "of the studies another, s it is not known which is this sweep's" in sweep_of(folder).note


@pytest.mark.parametrize(
    ("storage", "shown"),
    [
        ("postgresql://me:secret@db.example/x", "postgresql://me:***@db.example/x"),
        ("mysql://db.example/x?password=secret", "mysql://db.example/x?password=***"),
        ("${oc.env:secret}", "${oc.env:secret}"),
        ({"_target_": "optuna.storages.InMemoryStorage", "token": "secret"}, "a storage made by a class"),
    ],
)
def test_study_that_is_in_no_file_is_left_out_and_said_without_its_password(make_sweep, storage, shown):
    folder = make_sweep("s", [0.5])
    in_storage(folder, storage)
    note = sweep_of(folder).note
    assert note == f"its study is in {shown}, and its folder gets a copy when the sweep ends"


@pytest.mark.parametrize("storage", ["postgresql://me:***@db.example/x", "${oc.env:secret}", "sqlite:///gone.db"])
def test_study_that_is_elsewhere_is_read_from_the_sweeps_copy(make_sweep, storage):
    folder = make_sweep("s", [0.5, None])
    in_storage(folder, storage, study_name="${oc.env:secret}")
    shutil.copy(folder / "trials.csv", folder / "study_copy.journal")
    sweep = sweep_of(folder)
    assert (sweep.note, sweep.study.study_name) == ("", "s")
    assert budget_values(sweep) == [0.5, 0.3]


def test_sweep_without_its_configuration_says_where_its_trials_are(make_sweep):
    folder = make_sweep("s", [0.5])
    (folder / "study.journal").rename(folder / "trials.csv")
    assert sweep_of(folder).note == "its study is not in its folder; its trials are in trials.csv"


def test_sweep_that_has_only_begun_is_one_but_a_comparison_of_sweeps_is_none(make_sweep):
    folder = make_sweep("all/s", [0.5])
    in_storage(folder, "sqlite:///studies.db")
    (folder / "trials.csv").unlink()
    shutil.copy(folder / "multirun.yaml", folder.parent)
    assert is_sweep(folder)
    assert not is_sweep(folder.parent)


def test_of_a_trial_that_left_no_result_the_study_tells_what_became_of_it(make_sweep):
    folder = make_sweep("s", [0.5, None, "failed", 0.7, 0.9])
    for number in range(4):
        (folder / str(number) / "result.json").unlink()
    (folder / "3").rename(folder / "30")  # which the study does not know
    (folder / "4" / "result.json").write_text("{")

    found = told_by_studies(runs := find_runs([folder]), find_sweeps([folder], runs))

    assert [(run.status, run.reason) for run in found] == [
        ("completed", ""),
        ("pruned", "pruned"),
        ("failed", "it burst"),
        ("damaged", runs[3].reason),
        ("failed", "it left no result.json, or has only begun"),
    ]


def test_importances_are_shares_and_none_with_few_trials(make_sweep):
    shares = importances(sweep_of(make_sweep("many", [0.1 * i for i in range(9)])))
    assert set(shares) == {"optimizer.lr", "optimizer.momentum"}
    assert sum(shares.values()) == pytest.approx(1)
    assert importances(sweep_of(make_sweep("few", [0.1, 0.2]))) == {}


def test_sweeps_in_folders_of_one_name_have_names_of_their_own(make_sweep):
    folders = [make_sweep(f"{place}/again/s", [0.5]) for place in ("a", "b")]
    folders.append(make_sweep("c/s", [0.5]))
    assert [sweep.name for sweep in find_sweeps(folders, [])] == ["again/s", "again/s (2)", "c/s"]


def test_study_that_two_sweeps_shared_is_shown_once_with_the_trials_of_both(make_sweep):
    here, apart = make_sweep("mine", [0.5, 0.6, None]), make_sweep("apart", [0.5])
    there = here.with_name("there")
    there.mkdir()
    (here / "1").rename(there / "1")
    lines = (here / "study.journal").read_text().splitlines(keepends=True)
    (there / "study.journal").write_text("".join(lines[:-1]))  # as that machine left it
    folders = [there, here, apart]
    runs = find_runs(folders)
    shared, other = find_sweeps(folders, runs)
    assert (shared.name, shared.folders, len(shared.trials)) == ("mine", (there, here), 3)
    assert (other.name, other.others) == ("apart", ())
    section = sections.sweeps([shared, other], runs).inner[0]
    assert section.text[1] == f"It is the study of the sweeps in {there}, {here}."
    trials = section.figures[-1]
    assert trials.name == "sweep-mine-trials"
    assert [f">{word}<" in trials.svg for word in ("best", "pruned")] == [True, True]  # the one there, the other here


def test_trials_that_tie_tell_no_importances_which_is_said(make_sweep):
    folder = make_sweep("s", [0.5] * 6)
    assert importances(sweep_of(folder)) == {}
    done = write_report([folder])
    assert "No importances: all 6 complete trials have the same value." in done.paths.markdown.read_text()
    assert not (done.paths.folder / "figures" / "sweep-s-importances.png").exists()


@pytest.mark.parametrize(("lr", "names"), [(0.9, ["lr"]), (0.1, []), (1.1e-4, ["lr"])])
def test_parameter_at_an_end_of_its_log_range_is_named(lr, names):
    distribution = FloatDistribution(1e-4, 1, log=True)
    assert at_edge(create_trial(params={"lr": lr}, distributions={"lr": distribution}, value=1.0)) == names
