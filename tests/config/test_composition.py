"""Every YAML file composes, passes the schema and resolves; what does not compose is explained in one line."""

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lightsweep.config import check
from lightsweep.config.explanation import explain
from lightsweep.config.targets import refuse_foreign, targets
from lightsweep.paths import conf_dir

CHOICES = sorted(
    (path.parent.relative_to(conf_dir()).as_posix(), path.stem)
    for path in conf_dir().rglob("*.yaml")
    if path.parent != conf_dir() and path.stem != "base" and "hydra" not in path.parts
)
MANDATORY = {
    ("data", "csv"): ("data.path=table.csv", "data.target=y"),
    ("data", "images"): ("data.root=my_images",),
    ("data", "torchvision"): ("data.name=CIFAR10",),
    ("model", "torchvision"): ("model.name=resnet18",),
}
NEEDS = {
    ("model", "linear_regression"): ("data=line",),
    ("model", "logistic_regression"): ("data=mnist_binary",),
}


@pytest.fixture
def in_a_run(monkeypatch, tmp_path):
    """What `${hydra:runtime.output_dir}` resolves to within a run."""
    hydra = OmegaConf.create({"runtime": {"output_dir": str(tmp_path)}})
    monkeypatch.setattr(HydraConfig.instance(), "cfg", OmegaConf.create({"hydra": hydra}))


@pytest.mark.usefixtures("in_a_run")
@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_yaml_composes_and_passes_the_schema(compose, group, choice):
    overrides = (*NEEDS.get((group, choice), ()), f"{group}={choice}", *MANDATORY.get((group, choice), ()))

    cfg = compose(*overrides, small=False)

    check(cfg)


@pytest.mark.usefixtures("in_a_run")
@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_target_in_the_yaml_files_exists_and_is_allowed(compose, group, choice):
    cfg = compose(f"{group}={choice}", *MANDATORY.get((group, choice), ()), small=False)

    for target in targets(cfg):
        refuse_foreign(target)


@pytest.mark.parametrize("experiment", [choice for group, choice in CHOICES if group == "experiment"])
def test_one_batch_of_each_split_is_all_whatever_the_experiment_and_the_trainer_say(compose, experiment):
    cfg = compose("debug=fast_dev_run", f"experiment={experiment}", "trainer=ddp", small=False).trainer

    assert (cfg.strategy, cfg.max_epochs, cfg.check_val_every_n_epoch) == ("ddp", 1, 1)
    assert [cfg[f"limit_{split}_batches"] for split in ("train", "val", "test")] == [1, 1, 1]


@pytest.mark.usefixtures("in_a_run")
def test_the_default_configuration_is_the_articles_convnet_by_momentum(compose):
    cfg = compose(small=False)

    check(cfg)
    assert cfg.model._target_ == "lightsweep.models.ConvNet"
    assert list(cfg.model.filters) == [32, 64]
    assert (cfg.optimizer._target_, cfg.optimizer.momentum) == ("torch.optim.SGD", 0.9)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["optimizer=admw"], ["`optimizer` must be one of", "adagrad", "'admw'", "did you mean 'adamw'?"]),
        (["optimiser=adam"], ["optimiser"]),
        (["optimizer=torch.optim.Adam"], ["'torch.optim.Adam'; did you mean 'adam'?"]),
        (["optimizer.nesterov=true"], ["`optimizer.nesterov` is no known key; to add it: +optimizer.nesterov=<value>"]),
        (["optimizer.params=1"], ["`optimizer.params` is no known key; known here: "]),
        (
            ["model=torchvision", "model.name=a", "model.arguments.width=1"],
            ["to add it: +model.arguments.width=<value>"],
        ),
        (["data=./cats"], ["`data` must be one of", "but got './cats'; did you mean data=images data.root=./cats?"]),
        (["data=a/b.csv"], ["; did you mean data=csv data.path=a/b.csv?"]),
        (["metrics=accuracy"], ["but got 'accuracy'; here: every run with classes has `val/acc` and `test/acc`"]),
        (["optimizer.learning_rate=1"], ["`optimizer.learning_rate` is no known key; here: `optimizer.lr`"]),
        (["lr=1"], ["`lr` is no known key; did you mean 'optimizer.lr'?"]),
        (["trainer.seed=1"], ["`trainer.seed` is no known key; did you mean 'seed'?"]),
        (["job=1"], ["`job` is no known key; known here: hydra,"]),  # not that of Hydra's own settings
        (["trainer=gpu"], ["`trainer` must be one of ddp,", "but got 'gpu'; here: `trainer.accelerator=gpu`"]),
        (["trainer.max_epoch=1"], ["`trainer.max_epoch` is no known key", "did you mean 'max_epochs'?"]),
        (["data=bse"], ["`data` must be one of csv, emnist,"]),
        (["data=cifar10"], ["but got 'cifar10'; did you mean data=torchvision data.name=CIFAR10?"]),
        (["data=Flowers-102"], ["; did you mean data=torchvision data.name=Flowers102?"]),
        (["model=resnet18"], ["but got 'resnet18'; did you mean model=torchvision model.name=resnet18?"]),
        (["data=FashionMNIST"], ["; did you mean 'fashion_mnist'?"]),
        (["sweeps=bse"], ["`sweeps` must be one of architecture, grid_small,"]),
        (["experiment=artcle"], ["`experiment` must be one of", "article", "did you mean 'article'?"]),
        (["hydra/sweeper=optuna", "hydra.sweeper.n_trials=many"], ["`hydra.sweeper.n_trials`", "'many'", "Integer"]),
        (["hydra/sweeper=optuna", "hydra.sweeper.rerun_best=3"], ["seeds, top, seed_key", "rerun_best.seeds=3"]),
        (["hydra/sweeper=optuna", "hydra.sweeper.rerun_best=[3]"], ["seeds, top, seed_key", "rerun_best.seeds=…"]),
        (["hydra/sweeper=optuna", "hydra.sweeper.rerun_best={seeds: x}"], ["`hydra.sweeper.rerun_best.seeds`: Value"]),
        (["trainer.max_epochs"], ["`trainer.max_epochs` is no override like key=value: it has no `=`"]),
        (["+=1"], ["`+=1` names no key before its `=`"]),
        (["optimizer=null"], ["`optimizer=null`: `optimizer` is chosen by name; there are", "adagrad"]),
        (["logger=[csv,3]"], ["`logger=[csv,3]`: `logger` is chosen by name", "tensorboard"]),
        (["metrics=[f1,aurc]"], ["`metrics` must be one of auroc, balanced_acc,", "'aurc'; did you mean 'auroc'?"]),
        (["early_stopping=5"], ["there are default", "; for a key of it: early_stopping.KEY=5"]),
        (["~logger=3"], ["`~logger=3`: `logger` is chosen by name"]),
        (["hydra/launcher=null"], ["`hydra/launcher` is chosen by name", "local"]),
        (["data=csv", "data.path=~/a.csv"], ["`data.path=~/a.csv` is no override", "~/a.csv ^; for ~ write $HOME"]),
        (["data=line", "data.theta=[1"], ["`data.theta=[1` is no override like key=value"]),
        (["hydra.sweeper.storage=mysql://me:s3cret@h/x?a=b"], ["`hydra.sweeper.storage=mysql://me:***@h/x?a=b`"]),
        (["hydra.sweeper.storage=mysql://me:s3cret"], ["hydra.sweeper.storage"]),
        (["hydra.sweeper.storage='mysql://me:[s3cret@h/x"], ["`hydra.sweeper.storage='mysql://me:***@h/x`"]),
    ],
)
def test_what_does_not_compose_is_explained_in_one_line(compose, overrides, words):
    with pytest.raises((HydraException, OmegaConfBaseException), match=r".") as caught:
        compose(*overrides, small=False)

    line = explain(caught.value)
    assert "\n" not in line
    assert "s3cret" not in line
    for word in words:
        assert word in line


@pytest.mark.usefixtures("in_a_run")
@pytest.mark.parametrize("kind", ["run", "sweep"])
def test_commands_that_begin_within_one_second_have_folders_of_their_own(kind):
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        folders = [str(hydra_compose("train", return_hydra_config=True).hydra[kind].dir) for _ in range(2)]

    assert folders[0] != folders[1]
