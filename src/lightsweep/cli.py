"""The commands: what `train.py`, `evaluate.py` and the console script `lightsweep` do.

Hydra composes, the schema checks, and only then is torch imported. A user's mistake is one line on stderr and exit
code 2; a bug keeps its traceback.
"""

import os
import shutil
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lightsweep import paths
from lightsweep.config.check import check, nearest
from lightsweep.config.composition import explain, share_config_store
from lightsweep.config.experiment_file import expand_experiment
from lightsweep.config.saved import read_config, read_result
from lightsweep.errors import ConfigError, Interrupted, LightsweepError, RunFolderError, UserError
from lightsweep.sweeping.trial import within_sweep, within_trial


def train() -> None:
    """Compose a configuration from the command line, train, and print the summary."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then lets exceptions through, and `_ended_by` words them
    share_config_store()
    failures: list[Exception] = []

    def task(cfg: DictConfig) -> Any:
        try:
            return run(cfg)
        except (LightsweepError, HydraException, OmegaConfBaseException) as error:
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                if isinstance(error, Interrupted):  # ends all runs, not this one alone
                    _ended_by_error(error)
                raise
            failures.append(error)  # Hydra would print a line of its own about it
            return None

    def command() -> None:
        if any(argument.startswith("resume=") for argument in sys.argv[1:]):
            _resume()
        else:
            sys.argv[1:] = expand_experiment(sys.argv[1:])
            hydra.main(config_path=str(paths.conf_dir()), config_name="train", version_base="1.3")(task)()

    _ended_by(command)
    for error in failures:
        _ended_by_error(error)


def run(cfg: DictConfig) -> Any:
    """One run within Hydra: returns the monitored metric, for a sweeper."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    if within_sweep():  # which has a line for each trial; what the trial says goes into its folder
        with paths.RunPaths(folder).log.open("a", encoding="utf-8") as log, redirect_stdout(log):
            return _train_in(cfg, folder)
    try:
        return _train_in(cfg, folder)
    except UserError:
        _discard_untouched(folder)
        raise


def _train_in(cfg: DictConfig, folder: Path, resume: bool = False) -> Any:
    check(cfg)
    _quiet_imports()
    from lightsweep.reporting.summary import print_summary
    from lightsweep.training import train as train_run

    callbacks = []
    if within_trial():
        from lightsweep.sweeping.pruning import PruningCallback

        cfg.test = False  # what a sweep ranks never sees the test set
        callbacks.append(PruningCallback("auto"))
    result = train_run(cfg, folder, resume, callbacks)
    print_summary(result, cfg.data.get("loader", "device"), cfg.data.get("shift", 0))
    for callback in callbacks:
        callback.raise_if_pruned()
    return result.objectives(cfg.objectives)


def _resume() -> None:
    """`resume=<folder>|last [key=value …]`: go on with a run, in its folder and by its own configuration."""
    folder, changes = None, []
    for argument in sys.argv[1:]:
        if argument.startswith("resume="):
            folder = argument.partition("=")[2]
        else:
            changes.append(argument)
    found = newest_unfinished(Path("outputs")) if folder == "last" else Path(str(folder))
    cfg = read_config(paths.RunPaths(found))
    try:
        OmegaConf.set_struct(cfg, True)
        cfg.merge_with_dotlist(changes)
    except OmegaConfBaseException as error:
        raise ConfigError(explain(error)) from None
    _train_in(cfg, found, resume=True)


def newest_unfinished(outputs: Path) -> Path:
    """The run below a folder that was started last, of those that did not complete.

    Raises:
        RunFolderError: there is none.
    """
    results = sorted(outputs.rglob(paths.RunPaths(outputs).result.name), key=lambda path: path.stat().st_mtime)
    for path in reversed(results):
        if read_result(paths.RunPaths(path.parent))["status"] in ("running", "interrupted"):
            return path.parent
    raise RunFolderError(f"{outputs} holds no run that is unfinished; name a folder: resume=<folder>")


def evaluate() -> None:
    """`run=<folder> [checkpoint=best|last]`: print a finished run's metrics on the test set."""
    _ended_by(_evaluate)


def _evaluate() -> None:
    options = {"run": None, "checkpoint": "best"} | _arguments({"run", "checkpoint"})
    if options["run"] is None:
        raise ConfigError("`run` is missing: evaluate.py run=<folder of a run>")
    if options["checkpoint"] not in ("best", "last"):
        raise ConfigError(f"`checkpoint` must be best or last but got {options['checkpoint']!r}")
    folder = Path(str(options["run"]))
    if not (folder / paths.RunPaths(folder).config.name).is_file():
        raise ConfigError(f"`run` must be the folder of a run but {folder} has no {paths.RunPaths(folder).config.name}")
    _quiet_imports()
    from lightsweep.reporting.summary import print_metrics
    from lightsweep.training import evaluate as evaluate_run

    print_metrics(evaluate_run(folder, str(options["checkpoint"])))


def _quiet_imports() -> None:
    """Lightning uses a name that torch has deprecated; nobody but Lightning can mend that."""
    warnings.filterwarnings("ignore", message=r".*LeafSpec.*is deprecated")


def _arguments(known: set[str]) -> dict[str, Any]:
    given = {str(key): value for key, value in OmegaConf.from_cli(sys.argv[1:]).items()}
    for key in given:
        if key not in known:
            raise ConfigError(f"`{key}` is no known key{nearest(key, known)}")
    return given


def _discard_untouched(folder: Path) -> None:
    """Remove the folder that Hydra made for a run that never began."""
    if {path.name for path in folder.iterdir()} <= {paths.RunPaths(folder).hydra.name}:
        shutil.rmtree(folder)


def _ended_by(command: Callable[[], Any]) -> None:
    """Run a command; end the process with one line and an exit code where it raises on purpose."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        command()
    except LightsweepError as error:
        _ended_by_error(error)
    except (HydraException, OmegaConfBaseException) as error:  # the configuration could not be composed
        _leave(explain(error), ConfigError.exit_code)
    except KeyboardInterrupt:
        _leave("interrupted", 130)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Before training there is nothing to save."""
    raise Interrupted(number)


def _ended_by_error(error: Exception) -> NoReturn:
    """End the process as an exception of a run says; a bug keeps its traceback."""
    if not isinstance(error, LightsweepError):
        raise error
    _leave(str(error), error.exit_code)


def _leave(line: str, code: int) -> NoReturn:
    print(f"error: {line}", file=sys.stderr)
    sys.exit(code)
