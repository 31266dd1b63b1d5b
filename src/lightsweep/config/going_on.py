"""What of its configuration may change where a run goes on from a checkpoint; known before torch is imported."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from lightsweep.config.dotted import is_within, leaves
from lightsweep.config.saved import saved_values
from lightsweep.errors import ConfigError
from lightsweep.paths import RunPaths

FREE = (
    "trainer.max_epochs", "trainer.max_steps", "trainer.max_time", "trainer.accelerator", "trainer.devices",
    "trainer.num_nodes", "trainer.strategy", "trainer.threads", "trainer.deterministic", "trainer.cuda_graph",
    "trainer.limit_test_batches",
    "trainer.log_every_n_steps", "trainer.inner_steps", "trainer.checkpoint_every_n_steps",
    "trainer.checkpoint_every_minutes", "trainer.print_loss", "data.root", "data.path", "data.val_path",
    "data.test_path", "data.loader", "data.num_workers", "data.eval_batch_size", "logger", "callbacks", "metrics",
    "objectives", "test", "trust", "tags",
)  # fmt: skip
"""What may change where a run goes on; all else is in its checkpoint, or would make two runs of it."""
_LENGTH = ("trainer.max_epochs", "trainer.max_steps")


def has_checkpoint(paths: RunPaths) -> bool:
    """Whether a run got as far as its first checkpoint."""
    return paths.last.is_file() or paths.previous.is_file()


def refuse_changes(cfg: DictConfig, paths: RunPaths) -> None:
    """Raise ConfigError if a run is to go on by another configuration than it was begun by, beyond what is `FREE`."""
    if not has_checkpoint(paths) or not paths.config.is_file():
        return
    before, now = dict(leaves(saved_values(paths))), dict(leaves(OmegaConf.to_container(cfg, resolve=True)))
    changed = [key for key in now.keys() | before.keys() if _differ(key, before.get(key), now.get(key))]
    by_length = made_for_length(cfg)
    for key in sorted(changed):
        told = f"`{key}` cannot change from {before.get(key)} to {now.get(key)} where a run goes on"
        if not is_within(key, FREE):
            raise ConfigError(f"{told}: what it was trained with is in its checkpoint; start a run of its own")
        if key in _LENGTH and by_length:
            schedule = f"`scheduler.{by_length}=auto` made the schedule for the old length"
            raise ConfigError(f"{told}: {schedule}; start a run of its own")


def made_for_length(cfg: DictConfig) -> str | None:
    """The schedule's setting that was made from the run's length, which then cannot change."""
    if not cfg.scheduler._target_:
        return None
    return next((str(key) for key, value in cfg.scheduler.items() if value == "auto" and key != "max_lr"), None)


def _differ(key: str, before: Any, now: Any) -> bool:
    """Whether two values of a key mean different things: of a limit on batches, 1 is one of them and 1.0 is all."""
    return before != now or (key.startswith("trainer.limit_") and type(before) is not type(now))
