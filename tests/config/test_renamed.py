"""Old names of keys: they work, and say once what they are called now."""

import pytest
from omegaconf import OmegaConf

from lightsweep import compose
from lightsweep.config import renamed
from lightsweep.config.renamed import renew_config, renew_words
from lightsweep.config.saved import read_config
from lightsweep.paths import RunPaths


@pytest.fixture(autouse=True)
def old_names(monkeypatch):
    renamed._tell.cache_clear()
    monkeypatch.setattr(renamed, "RENAMED", {"trainer.epochs": "trainer.max_epochs", "optim": "optimizer"})


@pytest.mark.parametrize(
    ("word", "renewed"),
    [
        ("trainer.epochs=3", "trainer.max_epochs=3"),
        ("++trainer.epochs=3", "++trainer.max_epochs=3"),
        ("optim=adam", "optimizer=adam"),
        ("optim.lr=0.1,0.2", "optimizer.lr=0.1,0.2"),
        ("~optim", "~optimizer"),
        ("trainer.epochs_more=3", "trainer.epochs_more=3"),
        ("tags=[trainer.epochs=3]", "tags=[trainer.epochs=3]"),
        ("-m", "-m"),
    ],
)
def test_overrides_get_new_names(word, renewed):
    assert renew_words([word]) == [renewed]


def test_an_old_name_is_told_once_and_works(capsys):
    cfg = compose(["trainer.epochs=3", "optim=adam", "optim.lr=0.25"])

    assert cfg.trainer.max_epochs == 3
    assert cfg.optimizer._target_ == "torch.optim.Adam"
    assert cfg.optimizer.lr == 0.25
    assert capsys.readouterr().err.splitlines() == [
        "warning: `trainer.epochs` is called `trainer.max_epochs` now; the old name will go",
        "warning: `optim` is called `optimizer` now; the old name will go",
    ]


def test_a_run_of_an_older_version_can_be_read(tmp_path, capsys):
    cfg = compose([])
    cfg.trainer.max_epochs = 7
    text = OmegaConf.to_yaml(cfg).replace("max_epochs:", "epochs:").replace("optimizer:", "optim:")
    RunPaths(tmp_path).config.write_text(text)

    found = read_config(RunPaths(tmp_path), ["optim.lr=0.5"])

    assert (found.trainer.max_epochs, found.optimizer.lr) == (7, 0.5)
    assert "epochs" not in found.trainer
    assert "optim" not in found
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_value_that_is_null_moves_too():
    cfg = OmegaConf.create({"trainer": {"epochs": None}})

    renew_config(cfg)

    assert cfg == {"trainer": {"max_epochs": None}}


def test_where_both_names_are_there_the_new_one_counts():
    cfg = OmegaConf.create({"trainer": {"epochs": 1, "max_epochs": 2}})

    renew_config(cfg)

    assert cfg == {"trainer": {"max_epochs": 2}}
