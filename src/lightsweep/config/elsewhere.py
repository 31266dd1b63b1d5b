"""What Lightning, lightning-hydra-template and other trainers call things that go by another name here, or need no key.

docs/moving.md tells the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lightsweep import paths
from lightsweep.config.dotted import keys
from lightsweep.config.nearest import nearest
from lightsweep.config.schema import GROUPS, Config

HERE = {
    "ckpt_path": "`resume=<a run's folder>` goes on, `weights=<a file or a run's folder>` begins anew from its weights",
    "train": "`python evaluate.py run=<a run's folder>` tests without training",
    "hparams_search": "`-m sweeps=<name>`",
    "optimized_metric": "`monitor`",
    "task_name": "`tags=[<word>]`",
    "paths": "`hydra.run.dir` and `data.root`",
    "extras": "nothing is needed",
    "batch": "`data.batch_size`",
    "device": "`trainer.accelerator`",
    "epochs": "`trainer.max_epochs`",
    "gpus": "`trainer.devices`",
    "gradient_accumulation_steps": "`trainer.accumulate_grad_batches`",
    "imgsz": "`data.size`, of `data=images` and `data=torchvision`",
    "learning_rate": "`optimizer.lr`",
    "loss": "cross-entropy for classes, the mean square for numbers, or that of a `Model` of your own",
    "max_grad_norm": "`trainer.grad_clip`",
    "num_classes": "the data tell how many",
    "output_dir": "`hydra.run.dir`",
    "pretrained": "`weights=<a file>`",
    "amp": "`trainer.precision`",
    "bf16": "`trainer.precision=bf16-mixed`",
    "fp16": "`trainer.precision=16-mixed`",
    "data.data_dir": "`data.root`",
    "data.pin_memory": "nothing is needed",
    "data.shuffle": "each epoch draws its batches anew",
    "data.train_val_test_split": "`data.val_size`",
    "callbacks.model_checkpoint": "every run keeps its best and its last checkpoint, the best by `monitor`",
    "model.net": "the network's own keys are keys of `model`",
    "model.optimizer": "`optimizer=<name>` and its keys",
    "model.scheduler": "`scheduler=<name>` and its keys",
    "optimizer.learning_rate": "`optimizer.lr`",
    "trainer.callbacks": "`callbacks.<name>`",
    "trainer.default_root_dir": "`hydra.run.dir`",
    "trainer.enable_checkpointing": "every run keeps its best and its last checkpoint",
    "trainer.enable_progress_bar": "a bar is drawn on a terminal alone",
    "trainer.fast_dev_run": "`debug=fast_dev_run`",
    "trainer.gradient_clip_algorithm": "`trainer.grad_clip` clips by the norm",
    "trainer.gradient_clip_val": "`trainer.grad_clip`",
    "trainer.logger": "`logger=<name>`",
    "trainer.min_epochs": "`early_stopping.patience` counts validations, and nothing stops before",
    "trainer.num_sanity_val_steps": "`debug=fast_dev_run` tries all splits before",
    "trainer.overfit_batches": "`data.val_size` may leave a few examples to train on, the same in each epoch",
    "trainer.profiler": "the end of a run tells where its time went",
    "trainer.val_check_interval": "`trainer.check_val_every_n_epoch`, in whole epochs",
    "debug=default": "`debug=fast_dev_run`",
    "debug=fdr": "`debug=fast_dev_run`",
    "debug=limit": "`trainer.limit_train_batches`",
    "trainer=cpu": "`trainer.accelerator=cpu`",
    "trainer=ddp_sim": "`trainer=ddp trainer.accelerator=cpu trainer.devices=2`",
    "trainer=gpu": "`trainer.accelerator=gpu`",
    "trainer=mps": "`trainer.accelerator=mps`",
    "callbacks=early_stopping": "`early_stopping.patience=<validations>`",
    "callbacks=model_checkpoint": "every run keeps its best and its last checkpoint",
    "logger=many_loggers": "`logger=[tensorboard,csv]`",
    "metrics=acc": "every run with classes has `val/acc` and `test/acc`",
    "metrics=accuracy": "every run with classes has `val/acc` and `test/acc`",
    "scheduler=none": "`scheduler=constant`",
}
"""A key with dots, or a choice of a group, of theirs; what it is here, as the end of a sentence."""
_CHOSEN = (*GROUPS, "logger", "callbacks", "metrics")


def here(word: str) -> str:
    """What a key or a choice, `group=choice`, of theirs is here, as the end of a line, or an empty text."""
    return f"; here: {HERE[word]}" if word in HERE else ""


def meant(key: str, values: Mapping[str, Any], known: Iterable[str]) -> str:
    """What somebody may have meant by a key that is not known, as the end of a line, or an empty text.

    Told is, of what there is, the first: the very word of theirs, a namesake in another group, their word in another
    group, a choice of that name, a key in the same group that is misspelt, one anywhere that says the same in more or
    fewer words, and one in the same group that is spelt alike.

    Args:
        key: with dots.
        values: the whole configuration.
        known: the names in the group that the key is not in.
    """
    name = _name(key)
    ours = [other for other in keys(values) if other != key and not _name(other).startswith("_")]  # such Hydra reads
    return (
        here(key)
        or _the_one([other for other in ours if _name(other) == name])
        or _the_one([other for other in HERE if _name(other) == name])
        or _chosen(key)
        or nearest(name, known, likeness=0.8)
        or _longer_or_shorter(name, ours)
        or nearest(name, known, likeness=0.6)
    )


def meant_by_flag(word: str) -> str:
    """What somebody may have meant by a flag, such as `--lr=0.1`, as the end of a line, or an empty text."""
    values = {group: dict.fromkeys(model.model_fields) for group, model in GROUPS.items()}
    return meant(word.lstrip("-").partition("=")[0].replace("-", "_"), values, Config.model_fields)


def _the_one(found: Sequence[str]) -> str:
    """A hint to a key of ours or what one of theirs is here, where it is the only one."""
    if len(found) != 1:
        return ""
    return here(found[0]) or f"; did you mean {found[0]!r}?"


def _chosen(key: str) -> str:
    """A hint to the group that has a choice of this name, as `wandb` or `logger.wandb` is one of `logger`."""
    group, _, name = key.rpartition(".")
    having = [each for each in ([group] if group else _CHOSEN) if name in paths.choices(each)]
    return f"; did you mean {having[0]}={name}?" if len(having) == 1 else ""


def _longer_or_shorter(name: str, ours: Sequence[str]) -> str:
    """A hint to the key that `name` has words more than, as `train_batch_size`, or is a part of, as `ema` is."""
    shorter = [key for key in [*ours, *HERE] if _ends_with(name, _name(key))]
    longest = max((len(_name(key)) for key in shorter), default=0)
    longer = [key for key in ours if _name(key).startswith(f"{name}_") or _name(key).endswith(f"_{name}")]
    return _the_one([key for key in shorter if len(_name(key)) == longest]) or _the_one(longer)


def _ends_with(name: str, word: str) -> bool:
    """Whether `name` is `word` with a few words before it; what is called a name may be anything's."""
    return name.endswith(f"_{word}") and word != "name" and len(name.split("_")) <= 3 * len(word.split("_"))


def _name(key: str) -> str:
    return key.rpartition(".")[2]
