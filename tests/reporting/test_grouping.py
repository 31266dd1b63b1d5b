"""Runs of one setting together, and the names of settings."""

import pytest
import yaml

from lightsweep.reporting.grouping import group_runs
from lightsweep.reporting.runs import find_runs, read_run


def groups_of(tmp_path):
    return {group.name: sorted(run.seed for run in group.runs) for group in group_runs(find_runs([tmp_path]))}


def test_seeds_of_one_setting_are_one_group(make_run, tmp_path):
    for seed in (0, 1):
        make_run(f"sgd{seed}", seed=seed)
        make_run(f"adam{seed}", seed=seed, optimizer="adam", lr=0.01)
    assert groups_of(tmp_path) == {"adam": [0, 1], "sgd": [0, 1]}


def test_value_that_differs_within_a_choice_is_named(make_run, tmp_path):
    make_run("a", optimizer="adam", lr=0.01)
    make_run("b", optimizer="adam", lr=0.1)
    make_run("c", optimizer="sgd", lr=1.0)
    make_run("d", optimizer="momentum", lr=1.0)
    assert set(groups_of(tmp_path)) == {"adam lr=0.01", "adam lr=0.1", "sgd lr=1", "momentum lr=1"}


def test_a_list_of_targets_is_named_by_their_classes(make_run, tmp_path):
    crop = {"_target_": "torchvision.transforms.v2.RandomCrop", "fill": [0.123456, 1], "size": 28}
    for seed, chosen in enumerate(([crop], [crop, {"_target_": "mine.Flip"}], [], [{"a": 1}])):
        make_run(f"a{seed}", seed=seed, data={"transforms": chosen})
    assert groups_of(tmp_path) == {
        "transforms=[RandomCrop(fill=[0.1235, 1], size=28)]": [0],
        "transforms=[RandomCrop(fill=[0.1235, 1], size=28), Flip()]": [1],
        "transforms=[]": [2],
        "transforms=[{a=1}]": [3],
    }


SHRINKS = [{}, {"a": {"_target_": "mine.ShrinkA"}}, {"b": {"_target_": "mine.ShrinkB", "every": 1}}]
F1S = [{"f1": {"_target_": "torchmetrics.F1Score"}}, {"f1": {"_target_": "mine.F1Score"}}]


@pytest.mark.parametrize(
    ("group", "values", "choices", "names"),
    [
        ("callbacks", SHRINKS, ["none", "a", "b"], ["callbacks=none", "callbacks=a", "callbacks=b"]),
        (
            "callbacks",
            SHRINKS,
            [None, None, None],
            ["callbacks=none", "callbacks.a=ShrinkA", "callbacks.b=ShrinkB every=1"],
        ),
        (
            "callbacks",
            [*SHRINKS, {"b": {**SHRINKS[2]["b"], "every": 2}}],
            ["none", "a", "b", "b"],
            ["callbacks=none", "callbacks=a", "callbacks=b every=1", "callbacks=b every=2"],
        ),
        ("metrics", F1S, ["f1", "my_f1"], ["metrics=f1", "metrics=my_f1"]),
        ("metrics", F1S, [None, None], ["metrics.f1=torchmetrics.F1Score", "metrics.f1=mine.F1Score"]),
        (
            "model",
            [{"net": {"_target_": "mine.Wide"}}, {"net": {"_target_": "mine.Deep"}}],
            ["mlp", "mlp"],
            ["model.net=Wide", "model.net=Deep"],
        ),
        (
            "optimizer",
            [{"_target_": "torch.optim.SGD"}, {"_target_": "torch.optim.Adam"}],
            ["sgd", "sgd"],
            ["optimizer=SGD", "optimizer=Adam"],
        ),
    ],
)
def test_settings_are_told_apart_by_every_target(make_run, tmp_path, group, values, choices, names):
    for seed, (value, choice) in enumerate(zip(values, choices, strict=True)):
        folder = make_run(f"a{seed}", seed=seed, monitor="val/f1")
        config, noted = folder / "config.yaml", folder / ".hydra" / "hydra.yaml"
        config.write_text(yaml.safe_dump({**yaml.safe_load(config.read_text()), group: value}))
        noted.write_text(yaml.safe_dump({"hydra": {"runtime": {"choices": {group: choice} if choice else {}}}}))
    assert groups_of(tmp_path) == {name: [seed] for seed, name in enumerate(names)}


def test_choices_that_change_no_training_are_not_named(make_run, tmp_path):
    for optimizer, choice in (("sgd", "none"), ("adam", "f1")):
        noted = make_run(optimizer, optimizer=optimizer) / ".hydra" / "hydra.yaml"
        noted.write_text(yaml.safe_dump({"hydra": {"runtime": {"choices": {"metrics": choice}}}}))
    assert set(groups_of(tmp_path)) == {"SGD", "Adam"}


def test_keys_of_one_name_are_written_in_full(make_run, tmp_path):
    make_run("a", lr=0.1, other={"lr": 1})
    make_run("b", lr=0.2, other={"lr": 2})
    assert set(groups_of(tmp_path)) == {"optimizer.lr=0.1 other.lr=1", "optimizer.lr=0.2 other.lr=2"}


F1 = {"f1": {"_target_": "torchmetrics.F1Score", "num_classes": 10}}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"tags": ["x"], "logger": None}, {"tags": ["y"], "logger": {"csv": {"_target_": "z"}}}),
        ({"data": {"eval_batch_size": 1000}}, {"data": {"eval_batch_size": 10}}),
        ({"trainer": {"log_every_n_steps": 1}}, {"trainer": {"log_every_n_steps": 5}}),
        ({"trainer": {"checkpoint_every_minutes": None}}, {"trainer": {"checkpoint_every_minutes": 5}}),
        ({"trainer": {"checkpoint_every_n_steps": None}}, {"trainer": {"checkpoint_every_n_steps": 5}}),
        ({"metrics": {}, "monitor": "auto"}, {"metrics": F1, "monitor": "auto"}),
        ({"metrics": {}, "monitor": "val/acc"}, {"metrics": F1, "monitor": "val/acc"}),
    ],
)
def test_what_does_not_change_training_makes_no_group(make_run, tmp_path, one, other):
    for seed, settings in enumerate((one, other)):
        config = make_run(f"a{seed}", seed=seed) / "config.yaml"
        config.write_text(config.read_text() + yaml.safe_dump(settings))
    assert groups_of(tmp_path) == {"mlp sgd": [0, 1]}


@pytest.mark.parametrize("watching", [{"monitor": "val/f1"}, {"callbacks": {"mine": {"monitor": "val/f1"}}}])
def test_a_metric_that_is_monitored_tells_settings_apart(make_run, tmp_path, watching):
    for seed, average in enumerate(("macro", "micro")):
        config = make_run(f"a{seed}", seed=seed, **watching) / "config.yaml"
        config.write_text(f"{config.read_text()}metrics: {{f1: {{average: {average}}}}}\n")
    assert groups_of(tmp_path) == {"average=macro": [0], "average=micro": [1]}


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (0, -0.0), ([8, 4], [8.0, 4]), ([{"p": 1}], [{"p": 1.0}])],
)
def test_a_number_written_in_two_ways_is_one_setting(make_run, tmp_path, one, other):
    make_run("a", seed=0, other={"key": one})
    make_run("b", seed=1, other={"key": other})
    assert groups_of(tmp_path) == {"mlp sgd": [0, 1]}


def test_one_batch_is_another_setting_than_all_batches(make_run, tmp_path):
    for seed, limit in enumerate((1, 1.0, 0.5)):
        make_run(f"a{seed}", seed=seed, trainer={"limit_train_batches": limit})
    assert groups_of(tmp_path) == {
        "limit_train_batches=1": [0], "limit_train_batches=1.0": [1], "limit_train_batches=0.5": [2]
    }  # fmt: skip


def test_a_switch_is_no_number_and_a_large_number_stays_as_short_as_it_was(make_run, tmp_path):
    for seed, value in enumerate((1, True, 1e38)):
        make_run(f"a{seed}", seed=seed, other={"key": value})
    assert groups_of(tmp_path) == {"key=1": [0], "key=true": [1], "key=1e+38": [2]}


@pytest.mark.parametrize("kind", ["MNIST", "mnist.MNISTBinary", "Torchvision"])
def test_data_that_has_a_name_may_lie_anywhere(make_run, tmp_path, kind):
    for seed, root in enumerate(("data", "/elsewhere")):
        make_run(f"a{seed}", seed=seed, data={"_target_": f"lightsweep.data.{kind}", "root": root})
    assert groups_of(tmp_path) == {"mlp sgd": [0, 1]}


@pytest.mark.parametrize(
    ("target", "key"),
    [
        ("lightsweep.data.Images", "root"),
        ("lightsweep.data.CSV", "path"),
        ("my_project.MNIST", "root"),
    ],
)
def test_other_data_is_another_setting(make_run, tmp_path, target, key):
    for seed, place in enumerate(("cats", "dogs")):
        make_run(f"a{seed}", seed=seed, data={"_target_": target, key: place})
    assert groups_of(tmp_path) == {f"{key}=cats": [0], f"{key}=dogs": [1]}


def test_trials_are_in_no_group_but_the_reruns_of_the_best_are(make_run, make_sweep, tmp_path):
    make_sweep("s", [0.9, 0.1])
    make_run("s/rerun/0-1", seed=1, lr=1.0)
    make_run("s/rerun/0-2", seed=2, lr=1.0)
    assert groups_of(tmp_path) == {"mlp sgd": [1, 2]}
    with_trials = group_runs(find_runs([tmp_path]), trials=True)
    assert {group.name: len(group.runs) for group in with_trials} == {
        "lr=1": 2,
        "trials lr=1": 1,
        "trials lr=0.1": 1,
    }


def test_unreadable_configurations_are_groups_of_their_own(make_run, tmp_path):
    for name in ("a", "b"):
        (make_run(name) / "config.yaml").unlink()
    make_run("c", seed=5)
    assert set(groups_of(tmp_path)) == {"a", "b", "mlp sgd"}


def test_an_unreadable_configuration_makes_no_choice_differ(make_run, tmp_path):
    for name, lr in (("a", 0.1), ("b", 0.2), ("c", 0.3)):
        make_run(name, lr=lr)
    for name in ("config.yaml", ".hydra/hydra.yaml"):
        (tmp_path / "outputs" / "c" / name).unlink()
    assert set(groups_of(tmp_path)) == {"lr=0.1", "lr=0.2", "c"}


def test_values_have_as_many_digits_as_tell_them_apart(make_run, tmp_path):
    make_run("a", lr=0.123456)
    make_run("b", lr=0.123457)
    make_run("c", lr=0.5)
    assert set(groups_of(tmp_path)) == {"lr=0.123456", "lr=0.123457", "lr=0.5"}


def test_settings_that_only_damage_tells_apart_have_different_names(make_run, tmp_path):
    for name in ("a", "b"):
        (make_run(f"{name}/same") / "config.yaml").write_text("")
    assert set(groups_of(tmp_path)) == {"same", "same (2)"}


def test_seed_that_was_run_twice_counts_once(make_run, tmp_path):
    make_run("a", seed=0, acc=0.2)
    make_run("b", seed=0, acc=0.4)
    make_run("c", seed=1, acc=0.6)
    make_run("d", seed=2, acc=0.9, status="diverged", reason="x")
    (group,) = group_runs(find_runs([tmp_path]))
    assert group.by_repetition("test/acc") == {(0, 0, 0): 0.30000000000000004, (1, 0, 0): 0.6}
    assert group.estimate("test/acc").n == 2


def test_runs_whose_seed_is_not_known_count_each(make_run, tmp_path):
    for name, seed, acc in (("a", None, 0.2), ("b", None, 0.4), ("c", 1, 0.6)):
        make_run(name, seed=seed, acc=acc)
    (group,) = group_runs(find_runs([tmp_path]))
    assert group.estimate("test/acc").n == 3


def test_without_hydras_note_the_class_names_the_choice(make_run, tmp_path):
    for name, optimizer in (("a", "sgd"), ("b", "adam")):
        (make_run(name, optimizer=optimizer) / ".hydra" / "hydra.yaml").unlink()
    assert set(groups_of(tmp_path)) == {"SGD", "Adam"}
    assert read_run(tmp_path / "outputs" / "a").choices == {}


def test_a_key_that_an_older_version_did_not_have_is_as_good_as_null(make_run, tmp_path):
    make_run("old", seed=0)
    make_run("new", seed=1, weights=None, skip_weights=[])
    make_run("other", seed=1, weights="outputs/first", skip_weights=[])
    found = groups_of(tmp_path)
    assert sorted(found.values()) == [[0, 1], [1]]
    assert "weights=outputs/first" in found
