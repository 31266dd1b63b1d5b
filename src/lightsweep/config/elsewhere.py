"""What Lightning's Trainer and lightning-hydra-template call things that go by another name here, or need no key.

docs/moving.md tells the same.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lightsweep.config.nearest import nearest

HERE = {
    "ckpt_path": "`resume=<a run's folder>` goes on, `weights=<a file or a run's folder>` begins anew from its weights",
    "train": "`python evaluate.py run=<a run's folder>` tests without training",
    "debug": "`trainer=fast_dev_run`",
    "hparams_search": "`-m sweeps=<name>`",
    "optimized_metric": "`monitor`",
    "task_name": "`tags=[<word>]`",
    "paths": "`hydra.run.dir` and `data.root`",
    "extras": "nothing is needed",
    "device": "`trainer.accelerator`",
    "epochs": "`trainer.max_epochs`",
    "gpus": "`trainer.devices`",
    "learning_rate": "`optimizer.lr`",
    "data.data_dir": "`data.root`",
    "data.train_val_test_split": "`data.val_size`",
    "model.net": "the network's own keys are keys of `model`",
    "model.optimizer": "`optimizer=<name>` and its keys",
    "model.scheduler": "`scheduler=<name>` and its keys",
    "optimizer.learning_rate": "`optimizer.lr`",
    "trainer.callbacks": "`callbacks.<name>`",
    "trainer.default_root_dir": "`hydra.run.dir`",
    "trainer.enable_checkpointing": "every run keeps its best and its last checkpoint",
    "trainer.enable_progress_bar": "a bar is drawn on a terminal alone",
    "trainer.fast_dev_run": "`trainer=fast_dev_run`",
    "trainer.gradient_clip_algorithm": "`trainer.grad_clip` clips by the norm",
    "trainer.gradient_clip_val": "`trainer.grad_clip`",
    "trainer.logger": "`logger=<name>`",
    "trainer.min_epochs": "`early_stopping.patience` counts epochs, and nothing stops before",
    "trainer.num_sanity_val_steps": "`trainer=fast_dev_run` tries all splits before",
    "trainer.overfit_batches": "`data.val_size` may leave a few examples to train on, the same in each epoch",
    "trainer.profiler": "the end of a run tells where its time went",
    "trainer.val_check_interval": "`trainer.check_val_every_n_epoch`, in whole epochs",
    "trainer=cpu": "`trainer.accelerator=cpu`",
    "trainer=ddp_sim": "`trainer=ddp trainer.accelerator=cpu trainer.devices=2`",
    "trainer=gpu": "`trainer.accelerator=gpu`",
    "trainer=mps": "`trainer.accelerator=mps`",
    "logger=many_loggers": "`logger=[tensorboard,csv]`",
}
"""A key with dots, or a choice of a group, of theirs; what it is here, as the end of a sentence."""


def here(word: str) -> str:
    """What a key or a choice, `group=choice`, of theirs is here, as the end of a line, or an empty text."""
    return f"; here: {HERE[word]}" if word in HERE else ""


def meant(key: str, values: Mapping[str, Any], known: Iterable[str]) -> str:
    """What somebody may have meant by a key that is not known, as the end of a line, or an empty text.

    Args:
        key: with dots.
        values: the whole configuration.
        known: the names in the group that the key is not in.
    """
    name = key.rpartition(".")[2]
    namesakes = [other for other in _keys_named(name, values) if other != key]
    namesake = f"; did you mean {namesakes[0]!r}?" if len(namesakes) == 1 else ""
    return here(key) or namesake or nearest(name, known)


def _keys_named(name: str, values: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in values.items():
        if key == name:
            yield f"{above}{key}"
        elif isinstance(value, Mapping):
            yield from _keys_named(name, value, f"{above}{key}.")
