"""From a scheduler's YAML to torch schedulers that know the run's length."""

from dataclasses import dataclass
from functools import partial

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, ReduceLROnPlateau, SequentialLR

from lightsweep.config.targets import refusal
from lightsweep.errors import ConfigError

_NEEDED = ("optimizer", "step", "state_dict", "load_state_dict")
"""What other people's schedulers, which are no subclass of torch's, are used by."""


@dataclass
class Schedule:
    """A scheduler and when it advances: `interval` is `step` or `epoch`.

    A `ReduceLROnPlateau` advances after each validation, by the monitored metric.
    """

    scheduler: LRScheduler | ReduceLROnPlateau
    interval: str

    def advance(self, metric: float | None = None) -> None:
        """Advance once; a plateau needs the metric, the others do without."""
        if isinstance(self.scheduler, ReduceLROnPlateau):
            assert metric is not None
            self.scheduler.step(metric)
        else:
            self.scheduler.step()

    @property
    def on_plateau(self) -> bool:
        """Whether it needs a metric."""
        return isinstance(self.scheduler, ReduceLROnPlateau)


def warmup_cosine(
    optimizer: Optimizer,
    T_max: int,  # noqa: N803  (torch's name for it)
    warmup: float = 0.1,
    start: float | None = None,
    eta_min: float = 0.0,
) -> LRScheduler:
    """The rate rises linearly, then falls on a half cosine.

    Of n steps of the rise the first has the n-th part of the peak, and the last the peak.

    Args:
        optimizer: its rate is the peak.
        T_max: steps or epochs of the whole run.
        warmup: share of the run that the rise takes, in [0, 1); where that is less than half a step, there is none.
        start: share of the peak that the first step has, in (0, 1]; None for the n-th part.
        eta_min: rate at the end.

    Raises:
        ConfigError: a `warmup` that is no such share.
    """
    if not 0 <= warmup < 1:
        raise ConfigError(f"`scheduler.warmup` must be in [0, 1) but got {warmup}")
    rise = round(T_max * warmup)
    fall = CosineAnnealingLR(optimizer, max(1, T_max - rise), eta_min)
    if not rise:
        return fall
    return SequentialLR(
        optimizer,
        [LinearLR(optimizer, 1 / rise if start is None else start, total_iters=rise - 1), fall],
        milestones=[rise],
    )


def build_schedule(factory: partial, interval: str, optimizer: Optimizer, length: int | None, mode: str) -> Schedule:
    """Call a scheduler's factory.

    Args:
        factory: what a scheduler's YAML builds; an `auto` becomes `length`, or as `max_lr` the optimizer's rates.
        interval: `step` or `epoch`.
        optimizer: the one it drives.
        length: steps or epochs of the run; None if they are not known beforehand.
        mode: `min` or `max`, the monitored metric's direction, for a plateau.

    Raises:
        ConfigError: `auto` without a known length, settings that the scheduler refuses, or what is no scheduler.
    """
    auto = [key for key, value in factory.keywords.items() if value == "auto" and key != "max_lr"]
    if auto and length is None:
        raise ConfigError(
            f"`scheduler.{auto[0]}` is auto, but the run has no fixed length: set it, or trainer.max_epochs"
        )
    filled: dict[str, object] = dict.fromkeys(auto, length)
    if factory.keywords.get("max_lr") == "auto":
        filled["max_lr"] = [group["lr"] for group in optimizer.param_groups]
    if factory.func is ReduceLROnPlateau:
        filled["mode"] = mode
    try:
        scheduler = factory(optimizer, **filled)
    except (TypeError, ValueError, KeyError) as error:
        raise ConfigError(f"`scheduler` refuses its settings: {refusal(error, factory.keywords)}") from error
    if not all(hasattr(scheduler, name) for name in _NEEDED):
        raise ConfigError(
            f"`scheduler` must be a torch.optim.lr_scheduler.LRScheduler, or have its {', '.join(_NEEDED)}, but "
            f"{factory.func.__name__} gives a {type(scheduler).__name__}"
        )
    return Schedule(scheduler, interval)
