"""The arguments that the commands on a finished run share: `run=`, `checkpoint=` and `trust=`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import ListConfig

from lightsweep import paths
from lightsweep.calling import called
from lightsweep.config.compose import compose
from lightsweep.errors import ConfigError
from lightsweep.imports import lean_imports

if TYPE_CHECKING:
    from lightsweep.training.trained import Trained

KEYS = {"run", "checkpoint", "trust"}


def run_folder(options: dict[str, Any], command: str) -> Path:
    """The folder that `run=` names.

    Raises:
        ConfigError: there is none, or it is no run's.
    """
    if options.get("run") is None:
        raise ConfigError(f"`run` is missing: {' '.join(called(command))} run=<folder of a run>")
    folder = Path(options["run"])
    if not paths.RunPaths(folder).config.is_file():
        raise ConfigError(f"`run` must be the folder of a run but {folder} has no {paths.RunPaths(folder).config.name}")
    return folder


def trusted(options: dict[str, Any]) -> list[str]:
    """What the command line and the user's own project trust; a run's folder has no say in it."""
    given = options.get("trust") or []
    if not isinstance(given, ListConfig | list):
        raise ConfigError(f"`trust` must be a list like [my_package] but got {given!r}")
    return list(dict.fromkeys([*map(str, given), *compose().trust]))


def chosen_checkpoint(options: dict[str, Any], folder: Path) -> str:
    """What `checkpoint=` names, `best` where it is not given; another name is refused before torch is imported."""
    name = options.get("checkpoint") or "best"
    paths.RunPaths(folder).checkpoint(name)
    return name


def load_run(options: dict[str, Any], folder: Path) -> "Trained":
    """The network of a run's folder, as the command line says."""
    checkpoint, trust = chosen_checkpoint(options, folder), trusted(options)
    lean_imports()
    from lightsweep.training.trained import load_trained

    return load_trained(folder, checkpoint, trust)
