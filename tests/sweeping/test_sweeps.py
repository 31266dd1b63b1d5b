"""Every shipped search space composes with the project's configuration, for every choice in it."""

import re
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from lightsweep.errors import ConfigError
from lightsweep.paths import conf_dir
from lightsweep.sweeping.settings import make_plan

SWEEPS = Path(__file__).resolve().parents[2] / "sweeps"
NAMES = sorted(path.stem for path in SWEEPS.glob("*.yaml") if path.stem != "base")


@pytest.fixture
def plan_of(tmp_path):
    def make(name: str, *arguments: str, swept: str | None = None):
        lines = [f"sweeps={name}", *arguments]
        overrides = [f"hydra.searchpath=[file://{SWEEPS.parent}]", f"hydra.sweep.dir={tmp_path}"]
        config = compose("train", [*overrides, *lines], return_hydra_config=True)
        loader = GlobalHydra.instance().config_loader()
        return make_plan(config.hydra.sweeper, config, loader, [*lines, swept] if swept else lines)

    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        yield make


@pytest.mark.parametrize("name", NAMES)
def test_shipped_space_composes(plan_of, name):
    assert list(plan_of(name).space.every_parameter())


def test_lr_momentum_is_the_space_of_the_documentation(plan_of):
    searched = {parameter.key: parameter.distribution for parameter in plan_of("lr_momentum").space.parameters}
    lr, momentum = searched["optimizer.lr"], searched["optimizer.momentum"]
    assert (lr.low, lr.high, lr.log) == (1e-4, 1.0, True)
    assert (momentum.low, momentum.high, momentum.log) == (0.0, 0.99, False)


def test_fixing_the_optimizer_leaves_its_branch_only(plan_of):
    plan = plan_of("lr_per_optimizer", "optimizer=adam")
    assert [branch.condition for branch in plan.space.branches if branch.holds({"optimizer": "adam"}, {}.get)] == [
        "optimizer=adam,rmsprop"
    ]
    assert "optimizer" not in {parameter.key for parameter in plan.space.every_parameter()}


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"])
def test_optimizer_comparison_tunes_what_each_optimizer_has(plan_of, name):
    plan = plan_of("optimizer_comparison", f"optimizer={name}")
    held = [branch for branch in plan.space.branches if branch.holds({"optimizer": name}, {}.get)]
    keys = {parameter.key for branch in held for parameter in branch.space.parameters}
    assert keys == {"optimizer.lr"} | ({"optimizer.momentum"} if name in ("momentum", "nesterov") else set())


def test_grid_small_counts_its_grid(plan_of):
    assert plan_of("grid_small").n_trials == 9


@pytest.mark.parametrize(
    ("arguments", "directions"),
    [
        ([], ("maximize",)),
        (["monitor=val/loss"], ("minimize",)),
        (["data=line", "model=linear_regression"], ("minimize",)),
        (["data=csv", "data.path=a.csv", "data.target=y", "data.val_size=9", "data.task=regression"], ("minimize",)),
        (["data=csv", "data.path=a.csv", "data.target=y", "data.val_size=9"], ("maximize",)),
        (["data.val_size=0"], ("minimize",)),
        (["data.val_size=0", "data.fold=0"], ("maximize",)),
        (["monitor=val/mae", "mode=min", "metrics=mae"], ("minimize",)),
        (["objectives=[seconds,monitor]", "hydra/sweeper/pruner=none"], ("minimize", "maximize")),
        (["~model", "+model={_target_: mine.Net}"], ("maximize",)),
    ],
)
def test_the_direction_is_what_the_objectives_want(plan_of, arguments, directions):
    assert plan_of("lr_momentum", *arguments).directions == directions


@pytest.mark.parametrize(
    ("spec", "monitor", "direction"),
    [
        ("DataSpec((2,), None)", "auto", "minimize"),
        ("DataSpec((2,), 3)", "auto", "maximize"),
        ("None", "auto", "maximize"),  # it is known when the data are read
        ("DataSpec((2,), 3)", "val/loss", "minimize"),
    ],
)
def test_the_direction_for_data_of_ones_own_is_learnt_from_their_spec(
    plan_of, monkeypatch, tmp_path, spec, monitor, direction
):
    name = f"data_of_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(
        "from lightsweep.data import ArrayDataModule, DataSpec\n"
        "class Mine(ArrayDataModule):\n"
        "    def __init__(self, **options):\n"
        "        super().__init__(**options)\n"
        f"        self.spec = {spec}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    data = ["~data", f"+data={{_target_: {name}.Mine, batch_size: 10, val_size: 5}}", f"trust=[{name}]"]

    plan = plan_of("lr_momentum", *data, f"monitor={monitor}")

    assert plan.directions == (direction,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["monitor=val/accuracy"], "`monitor` names val/accuracy, which no model logs; did you mean 'val/acc'?"),
        (["monitor=accuracy"], "`monitor` must be a text like"),
        (["objectives=[val/lose]"], "`objectives` names val/lose, which no model logs; did you mean 'val/loss'?"),
        (
            ["monitor=val/loss", "hydra.sweeper.direction=maximize"],
            "`hydra.sweeper.direction` must be minimize for monitor=val/loss but is maximize",
        ),
        (
            ["data=line", "model=linear_regression", "hydra.sweeper.direction=maximize"],
            "`hydra.sweeper.direction` must be minimize for monitor=auto but is maximize",
        ),
        (["optimizer.lr=-1"], "`optimizer.lr` must be in"),
        (["objectives=val/loss"], "`objectives` must be a list but got 'val/loss'"),
        (["objectives=[]"], "`objectives` must be"),
        (["mode=up"], "`mode` must be one of auto, min, max but got 'up'"),
        (
            ["hydra.sweep.subdir=all"],
            "`hydra.sweep.subdir` must name a folder for each trial, as ${hydra.job.num} does",
        ),
    ],
)
def test_what_no_trial_could_use_is_refused_before_any(plan_of, arguments, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        plan_of("lr_momentum", *arguments)


def test_a_loss_does_not_rank_what_changes_it(plan_of):
    message = "`model.label_smoothing` is searched and changes what the loss is, so val/loss cannot rank it"
    with pytest.raises(ConfigError, match=re.escape(message)):
        plan_of("regularisation", "model=mlp", "monitor=val/loss")
    with pytest.raises(ConfigError, match=re.escape("leave val/loss out of objectives")):
        plan_of("regularisation", "model=mlp", "objectives=[val/acc,val/loss]", "hydra/sweeper/pruner=none")
    assert plan_of("regularisation", "model=mlp").directions == ("maximize",)
    assert plan_of("regularisation", "model=mlp", "data=line").directions == ("minimize",)


@pytest.mark.parametrize(
    ("swept", "message"),
    [
        ("optimizer.momentum=interval(0.5,1.5)", "`optimizer.momentum` must be in [0, 1) but got 1.5"),
        ("data.batch_size=64,128,0", "`data.batch_size` must be in [1, inf) but got 0"),
        ("optimizer.lr=choice(0.1,abc)", "`optimizer.lr` must be a number in (0, inf) but got 'abc'"),
        ("model.filters=choice([8],[0])", "`model.filters.0` must be"),
        ("trainer.max_epochs=range(-3,4)", "`trainer.max_epochs` must be"),
    ],
)
def test_no_value_of_the_space_may_be_outside_of_the_schema(plan_of, swept, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        plan_of("lr_momentum", swept=swept)


def test_no_value_of_the_space_may_be_of_another_type_than_a_network_of_ones_own_takes(plan_of, monkeypatch, tmp_path):
    (tmp_path / "typed_net.py").write_text("class Net:\n    def __init__(self, width: int = 8): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    model = ["~model", "+model={_target_: typed_net.Net, width: 8}", "trust=[typed_net]"]

    assert plan_of("lr_momentum", *model, swept="model.width=range(8,16)")
    message = "`model.width` must be a whole number, as typed_net.Net has it, but got 8.0"
    with pytest.raises(ConfigError, match=re.escape(message)):
        plan_of("lr_momentum", *model, swept="model.width=interval(8,16)")
