"""A sweep's figures and tables: what is left out, what is told apart, and by which names."""

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from lightsweep.reporting import sections
from lightsweep.reporting import sweep_figures as figures
from lightsweep.reporting.budget_figure import budget_figure
from lightsweep.reporting.drawing import QUIET, draw
from lightsweep.reporting.runs import Run, find_runs
from lightsweep.reporting.studies import SavedSweep, budget_band, budget_values, find_sweeps
from lightsweep.reporting.sweep_figures import sweep_figures


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
    return SavedSweep(tmp_path, "s", study)


def figures_of(sweep, *objectives):
    return {drawing.name: drawing for drawing in sweep_figures(sweep, objectives or ("value",), [])}


@pytest.fixture
def painted(make_sweep, monkeypatch):
    """The axes of each figure of a sweep with such values."""

    def made(*values):
        found, folder = {}, make_sweep("s", values)

        def kept(name, title, caption, paint, *size):
            def painting(axes):
                found[name.removeprefix("sweep-s-")] = axes
                paint(axes)

            return draw(name, title, caption, painting, *size)

        monkeypatch.setattr(figures, "draw", kept)
        runs = find_runs([folder])
        list(sweep_figures(find_sweeps([folder], runs)[0], ["val/acc"], runs))
        return found

    return made


def test_legends_cover_no_point_and_pruned_trials_have_one_mark(painted):
    found = painted(0.5, None, 0.7, "failed", 0.6)
    assert {"history", "slice-optimizer-lr", "slice-optimizer-momentum", "map", "trials"} == set(found)
    for axes in found.values():
        (legend,) = axes.get_figure().legends
        assert axes.get_legend() is None
        assert legend.get_window_extent().y1 < axes.get_window_extent().y0
        (pruned,) = (line for line in axes.get_lines() if line.get_label().startswith("pruned"))
        assert (pruned.get_marker(), pruned.get_color()) == ("x", QUIET)


def test_the_best_so_far_is_it_until_the_last_trial(painted):
    axes = painted(0.5, 0.7, None)["history"]
    (line,) = (line for line in axes.get_lines() if line.get_label() == "best so far")
    assert line.get_xydata().tolist() == [[0, 50], [1, 70], [2, 70]]


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
    sweep = SavedSweep(tmp_path, "s", study)
    found = figures_of(sweep)
    for name in ("history", "slice-lr", "slice-model"):
        assert found[f"sweep-s-{name}"].caption.endswith("Beyond the axis, marked at its edge: 1.")
        assert ">200000<" not in found[f"sweep-s-{name}"].svg
    two = optuna.create_study(directions=["minimize", "maximize"])
    two.add_trials([create_trial(values=[trial.value, 0.5 + 0.01 * trial.number]) for trial in sweep.complete])
    front = figures_of(SavedSweep(tmp_path, "s", two), "val/loss", "val/acc")["sweep-s-front"]
    assert front.caption.endswith("Trials beyond the axes: 1.")
    assert ">200000<" not in front.svg
    two.add_trial(create_trial(values=[1e6, 0.99]))
    front = figures_of(SavedSweep(tmp_path, "s", two), "val/loss", "val/acc")["sweep-s-front"]
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
    svg = figures_of(SavedSweep(tmp_path, "s", study))["sweep-s-slice-widths"].svg
    places = [svg.index(f">{text}<") for text in ("None", wide, wider)]
    assert places == sorted(places)
    assert ">[]<" not in svg  # never drawn
    assert "rotate(-25)" in svg  # or they would lie on one another


def test_of_very_many_choices_as_many_are_named_as_there_is_room_for(tmp_path):
    study, kinds = optuna.create_study(), {"kind": CategoricalDistribution([f"kind{n}" for n in range(100)])}
    for number in range(100):
        study.add_trial(create_trial(params={"kind": f"kind{number}"}, distributions=kinds, value=float(number)))
    drawn = figures_of(SavedSweep(tmp_path, "s", study))["sweep-s-slice-kind"]
    assert [number for number in range(100) if f">kind{number}<" in drawn.svg] == list(range(0, 100, 3))
    assert drawn.caption.endswith(" Named: 34 of 100 choices.")


def test_sweeps_of_different_objectives_have_budgets_of_their_own(tmp_path):
    runs, found = [], []
    for name in ("val/acc", "val/loss"):
        folder = tmp_path.resolve() / name.replace("/", "-")
        study = optuna.create_study()
        study.add_trials([create_trial(value=0.1), create_trial(value=0.2)])
        found.append(SavedSweep(folder, folder.name, study))
        runs.append(Run(folder / "0", "trial", "completed", monitor=name, settings={}))
    figures = sections.sweeps(found, runs).figures
    assert [figure.name for figure in figures] == ["tuning-budget", "tuning-budget-2"]
    assert [figure.title.rpartition(" ")[2] for figure in figures] == ["val/acc", "val/loss"]


def test_the_budget_of_many_trials_has_as_many_points_as_can_be_seen(tmp_path, monkeypatch):
    study = optuna.create_study()
    study.add_trials([create_trial(value=float(number)) for number in range(1000)])
    drawn = []

    def recorded(values, rises, budgets):
        drawn.append(budgets)
        return budget_band(values, rises, budgets)

    monkeypatch.setattr(f"{budget_figure.__module__}.budget_band", recorded)
    budget_figure([SavedSweep(tmp_path, "s", study)], "value")
    (budgets,) = drawn
    assert (list(budgets[:3]), budgets[-1]) == ([1, 2, 3], 1000)
    assert 395 < len(budgets) < 405
    assert max(np.diff(budgets)) <= 3


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
        return SavedSweep(tmp_path, "s", study)

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
    slices = [
        found for found in sweep_figures(SavedSweep(tmp_path, "s", study), ["value"], []) if "slice" in found.name
    ]
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
    section = sections.sweeps([SavedSweep(folder, "s", study)], runs)
    table = section.tables["The Pareto front"]
    assert (table.head, table.rows) == (["trial", *heads], [["trial 0", *first]])
    (front,) = section.figures
    assert f">{heads[0]}, maximized<" in front.svg
    assert f">{heads[1]}, minimized<" in front.svg
    assert f"Not drawn: {heads[2]}." in front.caption
