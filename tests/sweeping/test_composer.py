"""The quick way to a trial's configuration gives what Hydra's own composition gives, to the last key."""

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf

from lightsweep.paths import conf_dir
from lightsweep.sweeping.composer import Composer
from lightsweep.sweeping.space import build_space

MASTER = ["hydra/sweeper=optuna", "hydra/launcher=local", "hydra.sweep.subdir=${hydra.job.override_dirname}"]


@pytest.fixture
def composer_of():
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()

        def make(*arguments: str, master: list[str] = MASTER) -> Composer:
            config = loader.load_configuration("train", master, RunMode.MULTIRUN)
            OmegaConf.set_cache(config, {"now": {"%Y": "2000"}})  # as if the sweep had asked for the time before
            return Composer(build_space(None, None, list(arguments), loader), config, loader, ["++seed"])

        yield make


@pytest.mark.parametrize(
    "varied",
    [
        ["optimizer.lr=0.03", "model.filters=[8, 16]"],
        ["optimizer.lr=1e-3", "model.filters=[8]", "++seed=7"],
        ["optimizer.lr=1e-3", "model.filters=[8]", "+optimizer.foreach=true"],
        ["optimizer.lr=1e-3", "model.filters=[8]", "trainer=ddp"],
        [],
    ],
)
def test_same_as_hydras_composition(composer_of, varied):
    composer = composer_of(
        "optimizer=adam", "data.batch_size=64", "optimizer.lr=0.1,0.2", "model.filters=choice([8],[8,16])",
        "+optimizer.foreach=true,false", "trainer=ddp,default",
    )  # fmt: skip
    lines = ["optimizer=adam", "data.batch_size=64", *varied]
    expected = composer.loader.load_sweep_config(composer.config, lines)
    found = composer.compose(lines)
    assert OmegaConf.to_container(found) == OmegaConf.to_container(expected)
    assert OmegaConf.is_struct(found) == OmegaConf.is_struct(expected)
    assert OmegaConf.get_cache(found) == OmegaConf.get_cache(expected) != {}
    assert found.hydra.sweep.subdir == expected.hydra.sweep.subdir


def test_only_a_choice_from_a_group_goes_the_long_way(composer_of, monkeypatch):
    composer = composer_of("optimizer.lr=0.1,0.2", "trainer=ddp,default")
    monkeypatch.setattr(composer.loader, "load_sweep_config", lambda *_: "the long way")
    assert composer.compose(["optimizer.lr=0.2"]) != "the long way"
    assert composer.compose(["trainer=ddp"]) == "the long way"
    assert composer.compose(["optimizer.weight_decay=0.1"]) == "the long way"  # nobody has looked what it is


def test_trials_do_not_share_their_configuration(composer_of):
    composer = composer_of("optimizer.lr=0.1,0.2")
    first = composer.compose(["optimizer.lr=0.1"])
    assert composer.compose(["optimizer.lr=0.2"]).optimizer.lr == 0.2
    assert first.optimizer.lr == 0.1


def test_a_copied_environment_is_read_where_the_trial_runs(composer_of, monkeypatch):
    monkeypatch.setenv("PLACE", "sweep")
    composer = composer_of("optimizer.lr=0.1,0.2", master=[*MASTER, "hydra.job.env_copy=[PLACE]"])
    monkeypatch.setenv("PLACE", "trial")
    assert composer.compose(["optimizer.lr=0.1"]).hydra.job.env_set.PLACE == "trial"
