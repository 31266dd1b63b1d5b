"""The overhead meter's words: where a run's wall time went, and what would save most of it."""

import math
from collections.abc import Mapping
from typing import Any

from lightsweep.config.check import validates

_NAMES = {
    "startup": "start-up",
    "arithmetic": "training arithmetic",
    "data": "data",
    "framework": "framework",
    "validation": "validation and test",
    "checkpoint": "checkpoints",
    "logging": "logging",
}
_REMEDIES = {
    "startup": "give several settings to one command (-m), which forks them warm with hydra/launcher=local",
    "logging": "log less often: raise trainer.log_every_n_steps, or logger=none",
}
WORTH_NAMING = 0.1
"""Share of the wall time from which on a part is named as avoidable."""


def shares_of(seconds: Mapping[str, float]) -> str:
    """Each part's share of the wall time, as `start-up 30 %, training arithmetic 60 %, …`, without the empty ones."""
    total = sum(seconds.values())
    shares = {part: value / total for part, value in seconds.items()} if total else {}
    return ", ".join(f"{_NAMES[part]} {100 * share:.0f} %" for part, share in shares.items() if share >= 0.005)


def remedy(
    seconds: Mapping[str, float],
    settings: Mapping[str, Mapping[str, Any]],
    steps_per_epoch: float = math.inf,
    alone: bool = True,
) -> str | None:
    """One line for the largest part that settings can make smaller; None if none is worth naming.

    Args:
        seconds: seconds by part.
        settings: the run's configuration, of which `data` and `trainer` are looked at.
        steps_per_epoch: optimizer steps of an epoch; infinite where none was finished.
        alone: whether the command is this run's alone; the runs of a multirun need no advice about starting.
    """
    advice: dict[str, str | None] = {
        **_REMEDIES,
        "data": _for_data(settings.get("data", {})),
        "validation": _for_validation(settings.get("data", {}), settings.get("trainer", {})),
        "framework": _for_framework(settings.get("trainer", {}), steps_per_epoch),
        "checkpoint": _for_checkpoints(settings.get("trainer", {}), steps_per_epoch),
    }
    if not alone:
        advice["startup"] = None
    avoidable = {part: value for part, value in seconds.items() if advice.get(part) is not None}
    total = sum(seconds.values())
    part = max(avoidable, key=avoidable.__getitem__, default=None)
    if part is None or avoidable[part] < WORTH_NAMING * total:
        return None
    return f"{_NAMES[part]}: {100 * avoidable[part] / total:.0f} % of the time; {advice[part]}"


def _for_data(data: Mapping[str, Any]) -> str | None:
    augmented = [f"data.{key}" for key in ("shift", "rotate", "zoom", "transforms") if data.get(key)]
    if data.get("loader") == "workers":
        return "set data.loader=device"
    if augmented:
        return f"do without {', '.join(augmented)}, if accuracy allows"
    if data.get("loader") == "auto":
        return "raise data.num_workers, if the data do not fit on the device"
    return None  # one gather a batch; there is nothing left to save


def _for_validation(data: Mapping[str, Any], trainer: Mapping[str, Any]) -> str | None:
    every, most = trainer.get("check_val_every_n_epoch") or 1, trainer.get("max_epochs") or -1
    if validates(data) and (most == -1 or most > every):
        return "validate less often: raise trainer.check_val_every_n_epoch"
    return None  # the test's, or one validation's


def _for_framework(trainer: Mapping[str, Any], steps_per_epoch: float) -> str | None:
    inner = trainer.get("inner_steps") or trainer.get("log_every_n_steps", 1)
    every = trainer.get("checkpoint_every_n_steps") or inner
    if every % inner and math.gcd(every, inner) < steps_per_epoch:  # then fewer steps than `inner` are made at once
        return f"make more steps at once: let trainer.checkpoint_every_n_steps be a multiple of {inner}"
    return "make more steps at once: raise trainer.inner_steps" if inner < steps_per_epoch else None


def _for_checkpoints(trainer: Mapping[str, Any], steps_per_epoch: float) -> str:
    if (trainer.get("checkpoint_every_n_steps") or math.inf) < steps_per_epoch:
        return "save less often: raise trainer.checkpoint_every_n_steps"
    return "write to a faster disk: hydra.run.dir=<folder>"
