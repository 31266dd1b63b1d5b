"""What a sweep over lightsweep's own configuration can know before any trial: the schema, and which metrics there are.

Other applications have neither; their mistakes show in the trials.
"""

from collections.abc import Sequence

from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict

from lightsweep.config.check import check, nearest, validates
from lightsweep.errors import ConfigError

METRICS = tuple(f"{split}/{name}" for split in ("train", "val") for name in ("acc", "loss"))


def check_own(composed: DictConfig, directions: Sequence[str]) -> None:
    """Check one trial's configuration.

    Args:
        composed: as Hydra composed it.
        directions: the sweep's, one an objective.

    Raises:
        ConfigError: the schema refuses it, a metric is named that no model logs, or the sweep would look for the worst.
    """
    task = composed.copy()
    with open_dict(task):
        task.pop("hydra", None)
    check(task)
    metrics = [*METRICS, *(f"val/{name}" for name in task.get("metrics") or {})]
    for key, names in (("monitor", [task.monitor]), ("objectives", OmegaConf.to_container(task.objectives))):
        assert isinstance(names, list)
        for name in names:
            if "/" in str(name) and name not in metrics:
                raise ConfigError(f"`{key}` names {name}, which no model logs{nearest(str(name), metrics)}")
    if task.mode == "auto" and task.monitor in metrics[len(METRICS) :]:
        raise ConfigError(f"`monitor={task.monitor}` in a sweep needs mode=max or mode=min")
    for name, direction in zip(task.objectives, directions, strict=False):
        refuse_direction(f"monitor={task.monitor}" if name == "monitor" else name, _best(str(name), task), direction)


def refuse_direction(name: str, best: str | None, direction: str) -> None:
    """Raise ConfigError if a sweep looks for the worst of an objective; where nobody knows the best, it may."""
    if best is not None and best != direction:
        raise ConfigError(f"`hydra.sweeper.direction` must be {best} for {name} but is {direction}")


def own_directions(config: DictConfig) -> list[str]:
    """The directions of a sweep that names none, one an objective: more is better of what only the model can tell.

    What `objectives` and `mode` may be, `check_own` says.
    """
    given = config.objectives
    names = list(given) if isinstance(given, ListConfig) and given else ["monitor"]
    return [_best(str(name), config) or "maximize" for name in names]


def _best(name: str, task: DictConfig) -> str | None:
    """The direction in which an objective is good; None where it takes the model to know."""
    if name == "monitor":
        if task.mode in ("min", "max"):
            return f"{task.mode}imize"
        name = _monitor(task)
    if name in ("seconds", "parameters") or name.endswith("/loss"):
        return "minimize"
    return "maximize" if name.endswith("/acc") else None


def _monitor(task: DictConfig) -> str:
    """The monitored metric; "auto" where it takes the model to know."""
    if task.monitor != "auto":
        return str(task.monitor)
    if not validates(task.data):
        return "train/loss"
    if task.data.get("task") == "regression" or task.data._target_ == "lightsweep.data.Line":
        return "val/loss"
    is_ours = all(str(task[part]._target_).startswith("lightsweep.") for part in ("model", "data"))
    return "val/acc" if is_ours else "auto"
