"""A comparison: a sweep of its own for each choice of one setting, all with as many trials.

First every choice is tuned; only then is the best of each run again on fresh seeds, so that nothing that a re-run
shows, such as the test set, can enter the tuning of another. The seeds are the same for all, so differences are paired.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from lightsweep.config.dotted import dotted
from lightsweep.config.override_text import override_text
from lightsweep.config.saved import damage_told
from lightsweep.errors import ConfigError
from lightsweep.paths import SweepPaths
from lightsweep.sweeping.config_keys import hydra_overrides, task_part
from lightsweep.sweeping.grammar import bare
from lightsweep.sweeping.parameter import Parameter
from lightsweep.sweeping.rerun import first_fresh_seed
from lightsweep.sweeping.rerun_report import rerun_lines
from lightsweep.sweeping.space import build_space
from lightsweep.sweeping.sweep import SweepRun, without_password, write_multirun

_BUDGET = ("sampler", "pruner", "direction", "retry_failed")
"""Settings of the sweeper that must not change within a comparison, beside the space, which each study keeps."""


def run_comparison(
    settings: Mapping[str, Any],
    context: HydraContext,
    task_function: TaskFunction,
    config: DictConfig,
    arguments: list[str],
) -> None:
    """Tune each choice of the setting `compare` in a folder of its own, then run the best of each again.

    Args:
        settings, context, task_function, config, arguments: those of `run_sweep`, with `compare` among the settings.

    Raises:
        ConfigError: a mistake in the settings, before any trial.
        SweepFailed: too many trials of one choice failed.
    """
    if settings.get("timeout_s") is not None:
        raise ConfigError("`hydra.sweeper.timeout_s` would leave the last of a comparison fewer trials; leave it out")
    folder = Path(str(config.hydra.sweep.dir)).absolute()
    key = str(settings["compare"])
    parameter = _compared(key, settings, arguments, context)
    _check_unchanged(config, folder)
    sweeps = {}
    for choice, name in zip(parameter.grid(), _folder_names(parameter), strict=True):
        line = f"{parameter.key}={parameter.text(choice)}"
        own = {**settings, "study_name": _study_name(settings, name)}
        inner = _in_folder(config, folder / name)
        sweeps[line] = SweepRun(own, context, task_function, inner, [*arguments, line])
    write_multirun(without_password(config), folder)
    for number, (line, sweep) in enumerate(sweeps.items(), 1):
        print(f"\n{number} of {len(sweeps)}: {line}", flush=True)
        sweep.tune()
        sweep.end()
    first_seed = max(first_fresh_seed(sweep.study, sweep.plan) for sweep in sweeps.values())
    for line, sweep in sweeps.items():
        print(f"\n{line}", flush=True)
        sweep.run_again(first_seed)
        print("\n".join(rerun_lines(sweep.reruns, sweep.study, sweep.plan)), flush=True)


def _compared(key: str, settings: Mapping[str, Any], arguments: list[str], context: HydraContext) -> Parameter:
    """The setting that is compared, which the sweep must search, outside of any `when`."""
    params = settings.get("params")
    params = OmegaConf.to_container(params, resolve=True) if isinstance(params, DictConfig) else params
    space = build_space(params, None, arguments, context.config_loader)  # type: ignore[arg-type]
    for parameter in space.parameters:
        if bare(parameter.key) == key:
            return parameter
    searched = ", ".join(parameter.key for parameter in space.parameters) or "nothing"
    raise ConfigError(f"`hydra.sweeper.compare` must be a searched setting but is {key!r}; searched: {searched}")


def _folder_names(parameter: Parameter) -> Sequence[str]:
    """A folder's name for each choice: its text where that can be one, else its place."""
    texts = [parameter.text(choice) for choice in parameter.grid()]
    return texts if all(re.fullmatch(r"\w[\w.+-]*", text) for text in texts) else [str(i) for i in range(len(texts))]


def _study_name(settings: Mapping[str, Any], name: str) -> str | None:
    given = settings.get("study_name")
    if given is None and settings.get("storage") is not None:
        raise ConfigError("`hydra.sweeper.study_name` is missing: a comparison in a shared storage needs one")
    return None if given is None else f"{given}-{name}"


def _in_folder(config: DictConfig, folder: Path) -> DictConfig:
    """The configuration of a sweep in another folder, for it and for the jobs that compose theirs from it."""
    inner = config.copy()
    with read_write(inner), open_dict(inner):
        inner.hydra.sweep.dir = str(folder)
        inner.hydra.overrides.hydra = [*hydra_overrides(config), f"hydra.sweep.dir={override_text(str(folder))}"]
    return inner


def _check_unchanged(config: DictConfig, folder: Path) -> None:
    """Refuse to go on with other settings: choices tuned under different ones cannot be compared.

    Raises:
        ConfigError: with the first key that differs.
        RunFolderError: the file that tells of them is damaged.
    """
    path = SweepPaths(folder).multirun
    if not path.is_file():
        return
    with damage_told(path):
        before = _held_fixed(OmegaConf.load(path))  # type: ignore[arg-type]
    now = _held_fixed(config)
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            raise ConfigError(
                f"the comparison in {folder} was begun with {key}={before.get(key)!r}, now it is {now.get(key)!r}; "
                "give another `hydra.sweeper.study_name`"
            )


def _held_fixed(config: DictConfig) -> dict[str, Any]:
    """Every value of the task's configuration, and the sweeper's that make a trial what it is, by dotted keys."""
    sweeper = OmegaConf.to_container(config.hydra.sweeper, resolve=False)
    assert isinstance(sweeper, dict)
    tree = {**task_part(config), "hydra.sweeper": {key: sweeper.get(key) for key in _BUDGET}}
    return dict(dotted(tree))
