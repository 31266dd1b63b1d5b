"""A run's callbacks besides our own: early stopping, the time limit, and the user's, as far as a run can serve them."""

from collections.abc import Sequence
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, Timer
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason
from omegaconf import DictConfig

from lightsweep.config import instantiate
from lightsweep.errors import ConfigError

_INSTEAD = {
    "StochasticWeightAveraging": "trainer.ema_decay averages the weights",
    "EMAWeightAveraging": "trainer.ema_decay averages the weights",
    "GradientAccumulationScheduler": "trainer.accumulate_grad_batches accumulates gradients",
    "LearningRateFinder": "a sweep over optimizer.lr finds the learning rate",
    "BatchSizeFinder": "data.batch_size sets the batch size",
    "BackboneFinetuning": "a BaseFinetuning of your own can freeze parts of pl_module.net",
    "SpikeDetection": "a run ends by itself at a loss that is not finite",
    "RichProgressBar": "a run shows its own progress, and trainer.print_loss=true its loss",
    "TQDMProgressBar": "a run shows its own progress, and trainer.print_loss=true its loss",
}
"""Lightning's callbacks that count on its own training step, bar or way to build an optimizer, and what there is here.

A run makes several steps of the optimizer in one of Lightning's, without what Lightning's automatic optimization tells.
"""

NEVER_CALLED = ("on_before_backward", "on_after_backward", "on_before_zero_grad", "on_before_optimizer_step")
"""Hooks of Lightning's own training step."""


def trainer_callbacks(cfg: DictConfig, monitor: str, mode: str) -> list[Callback]:
    """Early stopping, the time limit, and the configuration's own.

    Raises:
        ConfigError: a callback that is none, or that a run cannot serve.
    """
    found: list[Callback] = []
    if cfg.early_stopping.patience is not None:
        found.append(
            EarlyStopping(
                monitor,
                cfg.early_stopping.min_delta,
                cfg.early_stopping.patience,
                mode=mode,
                check_on_train_epoch_end=monitor.startswith("train/"),
                check_finite=False,
            )
        )
    if cfg.trainer.max_time is not None:
        found.append(Timer(cfg.trainer.max_time, verbose=False))
    own = {f"callbacks.{name}": instantiate(node, trust=cfg.trust) for name, node in cfg.callbacks.items()}
    for key, callback in own.items():
        _refuse_unserved(key, callback)
    return found + list(own.values())


def why_pruned(callbacks: Sequence[Callback]) -> str | None:
    """The reason of a callback that has pruned the run: one that has `pruned`, and `reason`. None where none has."""
    return next((str(getattr(each, "reason", "pruned")) for each in callbacks if getattr(each, "pruned", False)), None)


def stopped_early(trainer: Trainer) -> bool:
    """Whether one of the callbacks for early stopping has ended the run."""
    stopping = [each for each in trainer.callbacks if isinstance(each, EarlyStopping)]  # type: ignore[attr-defined]
    return any(each.stopping_reason is not EarlyStoppingReason.NOT_STOPPED for each in stopping)


def is_out_of_time(trainer: Trainer) -> bool:
    """Whether a limit on the time has ended the run."""
    left = [each.time_remaining() for each in trainer.callbacks if isinstance(each, Timer)]  # type: ignore[attr-defined]
    return any(seconds is not None and seconds <= 0 for seconds in left)


def refuse_unserved(callbacks: Sequence[Callback]) -> None:
    """Raise ConfigError unless what Python gives are callbacks, and such as a run can serve."""
    if not isinstance(callbacks, Sequence):
        raise ConfigError(f"`callbacks` must be a list of Lightning's Callbacks but got {callbacks!r}")
    for index, callback in enumerate(callbacks):
        _refuse_unserved(f"callbacks[{index}]", callback)


def _refuse_unserved(key: str, callback: Any) -> None:
    if isinstance(callback, type) and issubclass(callback, Callback):
        raise ConfigError(f"`{key}` must be an object but got a class: give {callback.__name__}(…)")
    kind = type(callback)
    if not isinstance(callback, Callback):
        raise ConfigError(f"`{key}` must be a Lightning Callback but a {kind.__module__}.{kind.__qualname__} is none")
    for base in kind.__mro__:
        if base.__name__ in _INSTEAD and base.__module__.startswith("lightning.pytorch.callbacks."):
            raise ConfigError(f"`{key}` cannot be a {base.__name__} here: {_INSTEAD[base.__name__]}")
    for hook in NEVER_CALLED:
        if hook in vars(callback) or getattr(kind, hook) is not getattr(Callback, hook):
            raise ConfigError(
                f"`{key}` has {hook}, which is never called, as the training step is lightsweep's own: with "
                "trainer.inner_steps=1 each step's gradients are there in on_train_batch_end"
            )
