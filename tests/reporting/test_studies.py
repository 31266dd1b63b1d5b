"""Sweeps read back, and the tuning-budget curve."""

import itertools
import shutil

import numpy as np
import optuna
import pytest
import yaml
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from lightsweep.reporting import sections
from lightsweep.reporting.budget_figure import budget_figure
from lightsweep.reporting.ranges import axis_range, colour_range, outside
from lightsweep.reporting.report import write_report
from lightsweep.reporting.runs import Run, find_runs, is_sweep
from lightsweep.reporting.studies import (
    Sweep,
    at_edge,
    budget_band,
    budget_values,
    expected_best,
    find_sweeps,
    importances,
)
from lightsweep.reporting.sweep_figures import sweep_figures
from lightsweep.sweeping import storage as storage_module
from lightsweep.sweeping.storage import open_storage


def sweep_of(folder):
    (sweep,) = find_sweeps([folder], find_runs([folder]))
    return sweep


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([98.0, 98.2, 98.4, 98.6, 98.8], (98.0, 98.8)),  # none lies far out: their own range
        ([10.0, 98.2, 98.4, 98.6, 98.8], (97.6, 98.8)),  # one run failed: 1.5 quartile distances below the first
        ([10.0, 10.0, 10.0, 10.0, 10.0, 98.2], (10.0, 98.2)),  # only one did not fail
        ([10.0, float("-inf"), 98.2, 98.4, 98.6, 98.8], (97.6, 98.8)),
        ([0.5], (0.5, 0.5)),
    ],
)
def test_one_failure_does_not_make_all_colours_alike(values, expected):
    assert colour_range(values, True) == pytest.approx(expected)
    low, high = colour_range([-value for value in values], False)
    assert (-high, -low) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "left_out"),
    [
        ([0.1, 0.2, 0.3, 1e6], 1),
        ([0.1, 0.2, 0.3, 0.6, 1e6], 1),
        ([0.1, 0.2, 0.3, 0.9], 0),  # it lies far out, and does not hide the others
        ([2.3, 2.3, 2.3, 2.3, 2.3, 0.1], 0),  # the best is never left out
        ([0.1, 1e6], 0),  # which of the two is the failure?
        ([0.1, 0.1, 0.1, 1e6], 0),  # there is nothing to tell apart
    ],
)
def test_axis_leaves_out_what_would_press_all_others_into_a_line(values, left_out):
    assert outside(values, axis_range(values, False)) == left_out


def test_expected_best_is_the_mean_over_every_draw_with_replacement():
    values = [0.3, 0.9, 0.5]
    for n in (1, 2, 3):
        draws = list(itertools.product(values, repeat=n))
        assert expected_best(values, True)[n - 1] == pytest.approx(sum(map(max, draws)) / len(draws))
        assert expected_best(values, False)[n - 1] == pytest.approx(sum(map(min, draws)) / len(draws))


def test_band_encloses_the_curve_and_is_the_same_every_time():
    values = list(np.random.default_rng(1).normal(size=20))
    low, high = budget_band(values, True)
    expected = expected_best(values, True)
    assert np.all(low <= expected)
    assert np.all(expected <= high)
    assert np.array_equal(low, budget_band(values, True)[0])


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


def pruned(*reports):
    return create_trial(
        params={"lr": 0.1},
        distributions={"lr": FloatDistribution(0, 1)},
        intermediate_values=dict(enumerate(reports)),
        state=TrialState.PRUNED,
    )


def sweep_with(trial, tmp_path):
    study = optuna.create_study(direction="maximize")
    study.add_trials([create_trial(params=trial.params, distributions=trial.distributions, value=0.1), trial])
    return Sweep(tmp_path, "s", study)


def figures_of(sweep, *objectives):
    return {drawing.name: drawing for drawing in sweep_figures(sweep, objectives or ("value",), [])}


def test_reports_of_a_pruned_trial_that_are_no_number_do_not_count(tmp_path):
    assert budget_values(sweep_with(pruned(float("nan"), 0.7), tmp_path)) == [0.1, 0.7]


def test_pruned_trial_that_last_reported_0_is_in_the_slices(tmp_path):
    assert "legend" in figures_of(sweep_with(pruned(0.4, 0.0), tmp_path))["sweep-s-slice-lr"].svg


def test_one_wild_loss_is_left_out_of_the_figures_and_told(tmp_path):
    study = optuna.create_study()
    for number, value in enumerate([2.0, 1.5, 1e6, 1.0, 0.5]):
        kinds = {"lr": FloatDistribution(0, 1), "model": CategoricalDistribution(("mlp", "convnet"))}
        params = {"lr": 0.1 * number, "model": "mlp"}
        study.add_trial(create_trial(params=params, distributions=kinds, value=value))
    sweep = Sweep(tmp_path, "s", study)
    found = figures_of(sweep)
    for name in ("history", "slice-lr", "slice-model"):
        assert found[f"sweep-s-{name}"].caption.endswith("Beyond the axis, marked at its edge: 1.")
        assert ">200000<" not in found[f"sweep-s-{name}"].svg
    two = optuna.create_study(directions=["minimize", "maximize"])
    two.add_trials([create_trial(values=[trial.value, 0.5 + 0.01 * trial.number]) for trial in sweep.complete])
    front = figures_of(Sweep(tmp_path, "s", two), "val/loss", "val/acc")["sweep-s-front"]
    assert front.caption.endswith("Trials beyond the axes: 1.")
    assert ">200000<" not in front.svg
    two.add_trial(create_trial(values=[1e6, 0.99]))
    front = figures_of(Sweep(tmp_path, "s", two), "val/loss", "val/acc")["sweep-s-front"]
    assert front.caption.endswith("0 failed.")  # the best of one objective is in sight, however bad in the other
    budget = budget_figure([sweep], "value")
    assert budget.caption.endswith("Trials of which the value lies beyond the axis: 1.")
    assert ">200000<" not in budget.svg


def test_choices_stand_in_the_order_in_which_the_sweep_offers_them(tmp_path):
    study = optuna.create_study()
    wide, wider = "[256,256,256,256,256,256,256]", "[512,512,512,512,512,512,512]"
    for value, widths in enumerate((wider, None, wide)):
        kinds = {"widths": CategoricalDistribution((None, "[]", wide, wider))}
        study.add_trial(create_trial(params={"widths": widths}, distributions=kinds, value=float(value)))
    svg = figures_of(Sweep(tmp_path, "s", study))["sweep-s-slice-widths"].svg
    places = [svg.index(f">{text}<") for text in ("None", wide, wider)]
    assert places == sorted(places)
    assert ">[]<" not in svg  # never drawn
    assert "rotate(-25)" in svg  # or they would lie on one another


def test_sweeps_of_different_objectives_have_budgets_of_their_own(tmp_path):
    runs, found = [], []
    for name in ("val/acc", "val/loss"):
        folder = tmp_path.resolve() / name.replace("/", "-")
        study = optuna.create_study()
        study.add_trials([create_trial(value=0.1), create_trial(value=0.2)])
        found.append(Sweep(folder, folder.name, study))
        runs.append(Run(folder / "0", "trial", "completed", monitor=name, settings={}))
    figures = sections.sweeps(found, runs).figures
    assert [figure.name for figure in figures] == ["tuning-budget", "tuning-budget-2"]
    assert [figure.title.rpartition(" ")[2] for figure in figures] == ["val/acc", "val/loss"]


@pytest.fixture
def branched(tmp_path):
    """A sweep of which each optimizer has a learning rate of its own, as branches make them, and one a momentum."""

    def made(*trials):
        study = optuna.create_study(direction="maximize")
        for number, (optimizer, momentum) in enumerate(trials):
            params = {"optimizer": optimizer, f"optimizer.lr[optimizer={optimizer}]": 0.1 + 0.01 * number}
            params |= {} if momentum is None else {"optimizer.momentum[optimizer=sgd]": momentum}
            kinds = {name: FloatDistribution(0, 1) for name in params}
            kinds["optimizer"] = CategoricalDistribution(("adam", "sgd"))
            study.add_trial(create_trial(params=params, distributions=kinds, value=0.1 * number))
        return Sweep(tmp_path, "s", study)

    return made


def test_map_is_of_the_first_two_parameters_that_trials_drew_together(branched):
    sgd = [("sgd", 0.1 * number) for number in range(3)]
    drawing = figures_of(branched(("adam", None), *sgd))["sweep-s-map"]
    assert drawing.title == "s: optimizer.lr[optimizer=sgd] × optimizer.momentum"
    assert drawing.caption.startswith("n = 3 trials: 3 complete, 0 pruned, 0 failed. Without the 1 that did not draw ")
    assert "sweep-s-map" not in figures_of(branched(("adam", None), ("adam", None), *sgd[:2]))


def test_parameters_of_branches_with_the_same_key_are_told_apart(branched):
    sweep = branched(("adam", None), ("sgd", 0.1), ("sgd", 0.9), ("adam", None))
    drawings = list(sweep_figures(sweep, ["value"], []))
    names = [drawing.name for drawing in drawings]
    assert len(set(names)) == len(names)
    ends = ("", "-lr-optimizer-adam", "-lr-optimizer-sgd", "-momentum-optimizer-sgd")
    assert {f"sweep-s-slice-optimizer{end}" for end in ends} <= set(names)
    found = figures_of(sweep)
    labels = ("optimizer", "optimizer.lr[optimizer=adam]", "optimizer.lr[optimizer=sgd]", "optimizer.momentum")
    assert [found[f"sweep-s-slice-optimizer{end}"].title[len("s: value against ") :] for end in ends] == list(labels)
    assert all(f">{label}<" in found["sweep-s-importances"].svg for label in labels)
    table = sections.sweeps([sweep], []).tables["The best 4 trials"]
    assert table.head == ["trial", "value", "optimizer", "optimizer.lr", "optimizer.momentum"]
    assert [row[2:] for row in table.rows[:2]] == [["adam", "0.13", "–"], ["sgd", "0.12", "0.9"]]


def test_names_of_branches_with_many_choices_fit_files_and_figures_and_are_told_apart(tmp_path):
    choices = ",".join(f"optimizer{number}" for number in range(40))
    names = [f"lr[optimizer={choices},{end}]" for end in ("adam", "sgd")]
    study = optuna.create_study()
    for name in (*names, *names):
        study.add_trial(create_trial(params={name: 0.1}, distributions={name: FloatDistribution(0, 1)}, value=0.1))
    slices = [found for found in sweep_figures(Sweep(tmp_path, "s", study), ["value"], []) if "slice" in found.name]
    for words in ([found.name for found in slices], [found.title for found in slices]):
        assert len(set(words)) == 2
        assert max(map(len, words)) < 120


@pytest.mark.parametrize(
    ("said", "heads", "first"),
    [
        (["monitor", "seconds", "val/loss"], ["val/acc (%)", "seconds", "val/loss"], ["24.60", "6.181", "0.5"]),
        (["monitor"], ["value 0", "value 1", "value 2"], ["0.246", "6.181", "0.5"]),  # another application's
    ],
)
def test_each_of_several_objectives_is_shown_as_what_it_is(tmp_path, said, heads, first):
    folder = tmp_path.resolve() / "s"
    study = optuna.create_study(directions=["maximize", "minimize", "minimize"])
    study.add_trials([create_trial(values=[0.246, 6.1808, 0.5]), create_trial(values=[0.2, 7.0, 0.6])])
    runs = [
        Run(folder / "0", "trial", "failed", settings={"objectives": said}),
        Run(folder / "1", "trial", "completed", monitor="val/acc", settings={"objectives": said}),
    ]
    section = sections.sweeps([Sweep(folder, "s", study)], runs)
    table = section.tables["The Pareto front"]
    assert (table.head, table.rows) == (["trial", *heads], [["trial 0", *first]])
    (front,) = section.figures
    assert f">{heads[0]}, maximized<" in front.svg
    assert f">{heads[1]}, minimized<" in front.svg
    assert f"Not drawn: {heads[2]}." in front.caption


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
        storage = open_storage(f"sqlite:///{folder.parent / 'studies.db'}")
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


def test_importances_are_shares_and_none_with_few_trials(make_sweep):
    shares = importances(sweep_of(make_sweep("many", [0.1 * i for i in range(9)])))
    assert set(shares) == {"optimizer.lr", "optimizer.momentum"}
    assert sum(shares.values()) == pytest.approx(1)
    assert importances(sweep_of(make_sweep("few", [0.1, 0.2]))) == {}


def test_sweeps_in_folders_of_one_name_have_names_of_their_own(make_sweep):
    folders = [make_sweep(f"{place}/again/s", [0.5]) for place in ("a", "b")]
    folders.append(make_sweep("c/s", [0.5]))
    assert [sweep.name for sweep in find_sweeps(folders, [])] == ["again/s", "again/s (2)", "c/s"]


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
