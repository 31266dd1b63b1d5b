"""`evaluate.py`: a finished run on the test set."""

from pathlib import Path

from omegaconf import ListConfig

from lightsweep import paths
from lightsweep.cli.arguments import arguments
from lightsweep.cli.ending import ended_by
from lightsweep.cli.imports import quiet_imports
from lightsweep.errors import ConfigError


def evaluate() -> None:
    """`run=<folder> [checkpoint=best|last] [trust=[my_package]]`: print a finished run's metrics on the test set."""
    ended_by(_evaluate)


def _evaluate() -> None:
    options = {"run": None, "checkpoint": "best", "trust": []} | arguments({"run", "checkpoint", "trust"})
    if options["run"] is None:
        raise ConfigError("`run` is missing: evaluate.py run=<folder of a run>")
    if options["checkpoint"] not in ("best", "last"):
        raise ConfigError(f"`checkpoint` must be best or last but got {options['checkpoint']!r}")
    if not isinstance(options["trust"], ListConfig | list):
        raise ConfigError(f"`trust` must be a list like [my_package] but got {options['trust']!r}")
    folder = Path(str(options["run"]))
    if not (folder / paths.RunPaths(folder).config.name).is_file():
        raise ConfigError(f"`run` must be the folder of a run but {folder} has no {paths.RunPaths(folder).config.name}")
    quiet_imports()
    from lightsweep.reporting.summary import print_metrics
    from lightsweep.training import evaluate as evaluate_run

    print_metrics(evaluate_run(folder, str(options["checkpoint"]), list(options["trust"])))
