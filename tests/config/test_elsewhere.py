"""Words of other programs, and keys in the wrong group: the line says what they are here."""

import re
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from lightsweep.config.elsewhere import HERE, meant, meant_by_flag
from lightsweep.config.schema import GROUPS
from lightsweep.paths import conf_dir

GUIDE = Path(__file__).parents[2] / "docs" / "moving.md"
VALUES = {
    "depth": 2,  # as `+depth=2` has it
    "optimizer": {"_target_": "torch.optim.SGD", "lr": 0.1, "name": "sgd", "min_epochs": 3},
    "data": {"name": "MNIST", "batch_size": 100, "train": {"depth": 1}},
    "trainer": {"ema_decay": None},
}


def test_the_guide_tells_the_same():
    assert dict(re.findall(r"^\| `(.+?)` \| (.+) \|$", GUIDE.read_text(), re.MULTILINE)) == HERE


def test_what_is_named_exists_and_what_it_replaces_does_not(compose):
    cfg = compose(small=False)
    for theirs, ours in HERE.items():
        assert OmegaConf.select(cfg, theirs) is None, theirs
        for word in re.findall(r"[a-z_]+\.[a-z_]+|\b[a-z]+=[a-z_]+", ours.replace("python evaluate.py run", "")):
            key, _, choice = word.partition("=")
            if choice:
                assert (conf_dir() / key / f"{choice}.yaml").exists(), word
            elif not key.startswith(("hydra.", "callbacks.")):
                group, name = key.split(".")
                assert name in GROUPS[group].model_fields, word


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("lr", "; did you mean 'optimizer.lr'?"),
        ("model.lr", "; did you mean 'optimizer.lr'?"),
        ("depth", "; did you mean 'data.train.depth'?"),
        ("name", ""),  # two groups have it
        ("trainer.min_epochs", f"; here: {HERE['trainer.min_epochs']}"),
        ("data.lr_scal", "; did you mean 'lr_scale'?"),
        ("base_lr", "; did you mean 'optimizer.lr'?"),
        ("train_batch_size", "; did you mean 'data.batch_size'?"),  # of the keys that it ends with, the longest
        ("num_train_epochs", f"; here: {HERE['epochs']}"),
        ("save_every_n_epochs", ""),
        ("run_name", ""),
        ("ema", "; did you mean 'trainer.ema_decay'?"),
        ("trainer.epochs", f"; here: {HERE['epochs']}"),  # their word, in another group
        ("gradient_clip_val", f"; here: {HERE['trainer.gradient_clip_val']}"),
        ("losses", ""),  # somewhat like lr_scale
        ("trainer.profiler", f"; here: {HERE['trainer.profiler']}"),
        ("wandb", "; did you mean logger=wandb?"),
        ("logger.wandb", "; did you mean logger=wandb?"),
        ("optimizer.adagrad", "; did you mean optimizer=adagrad?"),
        ("data.adagrad", ""),
        ("default", ""),  # two groups have a choice of that name
        ("base", ""),  # what others begin with is no choice
        ("zzz", ""),
    ],
)
def test_a_key_is_looked_for_in_the_other_groups(key, hint):
    assert meant(key, VALUES, ["lr_scale"]) == hint


@pytest.mark.parametrize(
    ("flag", "hint"),
    [
        ("--epochs", f"; here: {HERE['epochs']}"),
        ("--batch-size=32", "; did you mean 'data.batch_size'?"),
        ("-seed", "; did you mean 'seed'?"),
        ("--wandb", "; did you mean logger=wandb?"),
        ("--zzz=lr", ""),
    ],
)
def test_a_flag_is_taken_for_the_setting_of_that_name(flag, hint):
    assert meant_by_flag(flag) == hint
