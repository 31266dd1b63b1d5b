"""What `info` shows: every choice with its keys, read without importing what is described."""

import inspect
import subprocess
import sys

import pytest
from hydra.utils import get_object

from lightsweep.config import signature
from lightsweep.config.catalogue import TOPICS, members, run_keys
from lightsweep.errors import ConfigError
from lightsweep.paths import conf_dir


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("group", ["optimizer", "scheduler", "logger", "metrics"])
def test_a_signature_read_from_source_is_the_one_that_python_sees(group):
    for member in members(group):
        if member.target is None or member.name in ("wandb", "mlflow"):  # packages that are not installed here
            continue
        seen = list(inspect.signature(get_object(member.target)).parameters)
        read = signature.read(member.target)
        assert read is not None, member.target
        assert [argument.name for argument in read.arguments] == [name for name in seen if name != "kwargs"]
        assert member.summary


@pytest.mark.parametrize("group", ["model", "data", "optimizer", "scheduler"])
def test_every_yaml_of_a_group_is_there_with_meanings(group):
    found = {member.name: member for member in members(group)}

    assert set(found) == {path.stem for path in (conf_dir() / group).glob("*.yaml")} - {"base"}
    for member in found.values():
        for key in member.keys:
            assert not key.name.startswith("_")
            assert key.default != ""
    assert all(key.meaning for key in found[sorted(found)[0]].keys if not key.added)


def test_a_key_has_type_range_default_and_meaning():
    adam = {key.name: key for member in members("optimizer") if member.name == "adam" for key in member.keys}

    assert (adam["lr"].type, adam["lr"].default) == ("number in (0, inf)", "0.001")
    assert adam["betas"].type == "list of numbers in [0, 1)"
    assert adam["lr"].meaning == "learning rate, the step size η"
    assert adam["amsgrad"].added, "the YAML does not name it"
    assert not adam["lr"].added
    assert "params" not in adam


@pytest.mark.parametrize(
    ("group", "name", "key", "meaning"),
    [
        ("data", "csv", "target", "name of the target column"),
        (
            "hydra/sweeper",
            "optuna",
            "timeout_s",
            "Seconds after which no trial is started; those that run are finished.",
        ),
        ("hydra/launcher", "local", "slots_per_gpu", "jobs at a time on each GPU"),
        ("hydra/launcher", "slurm", "mem_gb", "memory that one job takes, in GB"),
        ("hydra/sweeper", "optuna", "rerun_best.top", "How many settings run again, best first."),
        (
            "logger",
            "tensorboard",
            "target_acc",
            "validation accuracy that seconds_to_target waits for; null: no such metric (tensorboard)",
        ),
        (
            "hydra/sweeper/sampler",
            "motpe",
            "n_ehvi_candidates",
            "Number of candidate samples used to calculate the expected improvement; null: 24",
        ),
        ("optimizer", "adam", "maximize", "maximize the objective with respect to the params, instead of minimizing"),
        ("optimizer", "adamw", "fused", "whether the fused implementation is used"),
        ("metrics", "auroc", "average", "Defines the reduction that is applied over classes"),
        (
            "metrics",
            "f1",
            "top_k",
            "Number of highest probability or logit score predictions considered to find the correct label",
        ),
        ("hydra/sweeper/sampler", "tpe", "seed", "Seed for random number generator"),
        ("hydra/sweeper/sampler", "nsgaiii", "crossover", "Crossover to be applied when creating child individuals"),
        (
            "hydra/sweeper/pruner",
            "wilcoxon",
            "n_startup_steps",
            "The number of steps before which no trials are pruned; null: 2",
        ),
    ],
)
def test_a_key_is_told_by_what_it_is_for(group, name, key, meaning):
    (member,) = (member for member in members(group) if member.name == name)

    assert {each.name: each.meaning for each in member.keys}[key] == meaning
    assert "defaults" not in [each.name for each in member.keys]


@pytest.mark.parametrize("group", TOPICS.values())
def test_no_markup_is_shown(group):
    told = [text for member in members(group) for text in (member.summary, *(key.meaning for key in member.keys))]

    assert [text for text in told if "`" in text] == []


@pytest.mark.parametrize("group", ["hydra/launcher", "hydra/sweeper", "hydra/sweeper/sampler", "hydra/sweeper/pruner"])
def test_every_key_of_a_plugin_has_type_and_meaning(group):
    own = [member for member in members(group) if member.name != "basic"]  # Hydra's, which tells nothing

    assert [
        f"{member.name}.{key.name}" for member in own for key in member.keys if not (key.type and key.meaning)
    ] == []


def test_the_sampler_and_pruner_that_a_search_has_by_default_are_its_defaults():
    (optuna,) = (member for member in members("hydra/sweeper") if member.name == "optuna")
    defaults = {key.name: key.default for key in optuna.keys}

    assert (defaults["sampler"], defaults["pruner"], defaults["rerun_best.seeds"]) == ("tpe", "none", "0")


@pytest.mark.parametrize(
    ("group", "name", "settings"),
    [
        ("experiment", "fast99", {"optimizer": "nesterov", "scheduler": "onecycle", "optimizer.lr": "0.1"}),
        ("experiment", "optimizer_comparison", {"sweeps": "optimizer_comparison", "trainer.max_epochs": "5"}),
        ("sweeps", "lr_momentum", {"hydra/sweeper/pruner": "median", "hydra.sweeper.n_trials": "30"}),
        ("sweeps", "grid_small", {"hydra/sweeper/sampler": "grid", "hydra/sweeper/pruner": "none"}),
        ("sweeps", "optimizer_comparison", {"hydra.sweeper.n_trials": "20", "hydra.sweeper.compare": "optimizer"}),
    ],
)
def test_a_file_that_sets_keys_all_over_is_told_with_what_it_builds_on(group, name, settings):
    (member,) = (member for member in members(group) if member.name == name)

    assert settings.items() <= {key.name: key.default for key in member.keys}.items()
    assert all(key.meaning for key in member.keys if key.name.startswith(("optimizer.", "trainer.")))


def test_a_file_that_builds_on_itself_is_one_line(tmp_path):
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "mine.yaml").write_text("# @package _global_\ndefaults: [mine]\nseed: 1\n")

    with pytest.raises(ConfigError, match=r"^`sweeps/mine` builds on itself: sweeps/mine → sweeps/mine$"):
        members("sweeps")


def test_the_conditions_of_a_search_are_no_keys():
    (member,) = (member for member in members("sweeps") if member.name == "optimizer_comparison")
    conditions = [key.default for key in member.keys if key.name == "hydra.sweeper.params.when"]

    assert len(conditions) == 5
    assert "{optimizer=adam,rmsprop: {optimizer.lr: tag(log, interval(1e-5, 1e-1))}}" in conditions
    assert not [key for key in member.keys if "=" in key.name]


def test_an_optimizer_is_told_by_the_first_sentence_of_its_documentation():
    (sgd,) = (member for member in members("optimizer") if member.name == "sgd")

    assert sgd.summary == "Implements stochastic gradient descent (optionally with momentum)."


def test_a_base_class_gives_the_arguments_that_are_passed_on():
    mlp = signature.read("lightsweep.models.MLP")

    names = [argument.name for argument in mlp.arguments]
    assert names[:2] == ["spec", "widths"]
    assert names[-2:] == ["compile", "channels_last"]
    assert {argument.name: argument.meaning for argument in mlp.arguments}["compile"].startswith("whether torch")


def test_a_module_is_read_without_being_run(tmp_path, monkeypatch):
    (tmp_path / "unrun.py").write_text(
        'raise SystemExit("imported")\nclass Net:\n    """A net.\n\n    Args:\n        width: units. More.\n    """\n'
        "    def __init__(self, width: int = 4): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    found = signature.read("unrun.Net")

    assert (found.summary, found.arguments) == ("A net.", (signature.Argument("width", "int", "4", "units"),))


@pytest.mark.parametrize(
    "target", ["no_such_package.Net", "torch.no_such.Net", "torch.nn.NoNet", "itertools.count", "x"]
)
def test_what_has_no_source_is_none(target):
    assert signature.read(target) is None


def test_the_keys_outside_of_groups_are_those_of_the_schema():
    found = {key.name: key for key in run_keys()}

    assert {"seed", "monitor", "trust", "test"} <= set(found)
    assert found["mode"].type == "one of auto, min, max"


def test_every_topic_prints_and_imports_no_torch():
    code = (
        "import sys; from lightsweep.cli.info import print_info\n"
        "for topic in sys.argv[1:]: print('##', topic); print_info(topic)\n"
        "assert not {'torch', 'optuna', 'lightning'} & set(sys.modules)"
    )

    found = subprocess.run([sys.executable, "-c", code, *TOPICS, "run"], capture_output=True, text=True, check=True)

    printed = found.stdout.split("## ")[1:]
    assert [text.splitlines()[0] for text in printed] == [*TOPICS, "run"]
    assert all(len(text.splitlines()) > 1 for text in printed)


def test_an_unknown_group_names_the_known_ones():
    with pytest.raises(ConfigError, match=r"^`info` knows no 'optimiser'.*; it knows: models, data, optimizers"):
        members("optimiser")
