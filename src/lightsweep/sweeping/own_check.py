"""What a sweep over lightsweep's own configuration can know before any trial: the schema, and which metrics there are.

Other applications have neither; their mistakes show in the trials.
"""

from collections.abc import Collection, Sequence
from functools import cache

from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from lightsweep.config.check import METRICS, check, validates
from lightsweep.errors import ConfigError

_OF_THE_LOSS = ("model.label_smoothing", "data.class_weights")
"""Settings that change what the loss itself is: a search that ranks by the loss would find the easiest one."""


def check_own(
    composed: DictConfig,
    directions: Sequence[str],
    searched: Collection[str] = (),
    sweeps: DictConfig | None = None,
) -> None:
    """Check one trial's configuration.

    Args:
        composed: as Hydra composed it.
        directions: the sweep's, one an objective.
        searched: the keys that the sweep searches.
        sweeps: the sweep's own configuration; a DataModule of the user's own is asked what it is by that alone, as it
            may take long to be made.

    Raises:
        ConfigError: `check` refuses it, or the sweep would look for the worst, or rank by a loss that it changes.
    """
    task = composed.copy()
    with open_dict(task):
        task.pop("hydra", None)
    check(task)
    if task.mode == "auto" and task.monitor not in ("auto", *METRICS):
        raise ConfigError(f"`monitor={task.monitor}` in a sweep needs mode=max or mode=min")
    if sweeps is not None and sweeps.data._target_ == task.data._target_ and not _is_ours(task.data):
        task.data = sweeps.data
    for key in _OF_THE_LOSS:
        ranked = [_monitor(task) if name == "monitor" else str(name) for name in task.objectives]
        loss = next((name for name in ranked if name.endswith("/loss")), None)
        if loss is not None and key in searched and _has_classes(task) is not False:  # else neither is in the loss
            advice = f"leave {loss} out of objectives" if loss in task.objectives else "use monitor=val/acc"
            raise ConfigError(f"`{key}` is searched and changes what the loss is, so {loss} cannot rank it: {advice}")
    for name, direction in zip(task.objectives, directions, strict=False):
        refuse_direction(f"monitor={task.monitor}" if name == "monitor" else name, _best(str(name), task), direction)


def refuse_direction(name: str, best: str | None, direction: str, advice: str = "") -> None:
    """Raise ConfigError if a sweep looks for the worst of an objective; where nobody knows the best, it may."""
    if best is not None and best != direction:
        raise ConfigError(f"`hydra.sweeper.direction` must be {best} for {name} but is {direction}{advice}")


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
    has_classes = _has_classes(task)
    if has_classes is False:
        return "val/loss"
    return "val/acc" if has_classes and str(task.model._target_).startswith("lightsweep.") else "auto"


def _has_classes(task: DictConfig) -> bool | None:
    """Whether the data's targets are classes, not numbers; None where that is not known before they are read."""
    data = task.data
    if data.get("task") == "regression" or data._target_ == "lightsweep.data.Line":
        return False
    if _is_ours(data):
        return True
    trust = map(str, task.trust) if isinstance(task.trust, ListConfig) else ()
    try:
        return _own_data_have_classes(OmegaConf.to_yaml(data, resolve=True), tuple(trust))
    except OmegaConfBaseException:  # what a trial alone can resolve
        return None


def _is_ours(data: DictConfig) -> bool:
    return str(data._target_).startswith("lightsweep.")


@cache
def _own_data_have_classes(data: str, trust: tuple[str, ...]) -> bool | None:
    """Ask a DataModule of the user's own, which has its `spec` before it reads, unless it is of another mind.

    Args:
        data: its configuration, as YAML.
        trust: import prefixes that the user allows.
    """
    from lightsweep.config.targets import instantiate
    from lightsweep.imports import quiet_imports

    quiet_imports()
    node = OmegaConf.create(data)
    assert isinstance(node, DictConfig)
    try:
        spec = getattr(instantiate(node, trust=trust, seed=0), "spec", None)
        return None if spec is None else spec.num_classes is not None
    except Exception:  # the trials will fail of it, and give it as their reason
        return None
