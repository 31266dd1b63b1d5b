"""The overhead meter's words: where a run's wall time went, and what would save most of it."""

from collections.abc import Mapping, Sequence

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
    "framework": "make more steps at once: raise trainer.inner_steps",
    "validation": "validate less often: raise trainer.check_val_every_n_epoch, or data.eval_batch_size",
    "checkpoint": "write to a faster disk: hydra.run.dir=<folder>",
    "logging": "log less often: raise trainer.log_every_n_steps, or logger=none",
}
WORTH_NAMING = 0.1
"""Share of the wall time from which on a part is named as avoidable."""


def shares_of(seconds: Mapping[str, float]) -> str:
    """Each part's share of the wall time, as `start-up 30 %, training arithmetic 60 %, …`, without the empty ones."""
    total = sum(seconds.values())
    shares = {part: value / total for part, value in seconds.items()} if total else {}
    return ", ".join(f"{_NAMES[part]} {100 * share:.0f} %" for part, share in shares.items() if share >= 0.005)


def remedy(seconds: Mapping[str, float], loader: str, augmented: Sequence[str], alone: bool = True) -> str | None:
    """One line for the largest part that settings can make smaller; None if none is worth naming.

    Args:
        seconds: seconds by part.
        loader: `data.loader`.
        augmented: the keys of `data` by which training images are changed, such as `shift`.
        alone: whether the command is this run's alone; the runs of a multirun need no advice about starting.
    """
    avoidable = {part: value for part, value in seconds.items() if part != "arithmetic"}
    if not alone:
        avoidable.pop("startup", None)
    if loader == "device" and not augmented:
        avoidable.pop("data", None)  # one gather a batch; there is nothing left to save
    total = sum(seconds.values())
    part = max(avoidable, key=avoidable.__getitem__, default=None)
    if part is None or avoidable[part] < WORTH_NAMING * total:
        return None
    advice = _REMEDIES[part] if part != "data" else _remedy_of_data(loader, augmented)
    return f"{_NAMES[part]}: {100 * avoidable[part] / total:.0f} % of the time; {advice}"


def _remedy_of_data(loader: str, augmented: Sequence[str]) -> str:
    if loader == "workers":
        return "set data.loader=device"
    if augmented:
        return f"do without {', '.join(f'data.{key}' for key in augmented)}, if accuracy allows"
    return "raise data.num_workers, if the data do not fit on the device"
