"""The shell that Hydra finds: it keeps what it is given and hands it to `lightsweep.sweeping` when the sweep begins."""

import importlib.util
import os
import re
import shlex
import sys
import uuid
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from lightsweep.errors import RunStopped


class OptunaSweeper(Sweeper):
    """Hydra sweeper on Optuna 5; its settings are those of `OptunaSweeperConf`."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.task_function: TaskFunction | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what the sweep needs; nothing is imported or opened yet."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> None:
        """Run the sweep; an error made on purpose, an interruption or a full disk is one line and an exit code."""
        from lightsweep.errors import LightsweepError

        try:
            self._run(arguments)
        except LightsweepError as error:
            if os.environ.get("HYDRA_FULL_ERROR") == "1":  # lightsweep's own command words it
                raise
            print(f"error: {error}", file=sys.stderr)
            raise SystemExit(error.exit_code) from error

    def _run(self, arguments: list[str]) -> None:
        from lightsweep.errors import Interrupted, LightsweepError, signal_of
        from lightsweep.sweeping.comparison import run_comparison
        from lightsweep.sweeping.folder import folder_failure
        from lightsweep.sweeping.sweep import optuna_quietened, run_sweep

        assert self.hydra_context is not None
        assert self.task_function is not None
        assert self.config is not None
        run = run_sweep if self.settings.get("compare") is None else run_comparison
        nameless = self.settings.get("storage") is not None and self.settings.get("study_name") is None
        if nameless and run is run_sweep:
            self.settings["study_name"] = f"no-name-{uuid.uuid4()}"  # as Optuna would, but here it can be told
        try:
            with optuna_quietened():
                run(self.settings, self.hydra_context, self.task_function, self.config, arguments)
        except (KeyboardInterrupt, SystemExit, Interrupted) as end:
            number = signal_of(end)
            if number is None:
                raise
            raise self._stopped(Interrupted(number), "to go on") from None
        except LightsweepError:
            raise
        except Exception as error:
            found = folder_failure(error, self._folder())
            if found is None:
                raise
            failure, is_gone = found
            when = "if it was moved, to go on" if is_gone else "once that is mended, to go on"
            raise self._stopped(failure, when, "<where it is now>" if is_gone else "") from error

    def _folder(self) -> Path:
        assert self.config is not None
        return Path(str(self.config.hydra.sweep.dir)).absolute()

    def _stopped(self, error: "RunStopped", when: str, place: str = "") -> "RunStopped":
        """The error, which says how the sweep goes on, and when; `place` stands for a folder that is not known."""
        from lightsweep.config.override_text import override_text

        folder = str(self._folder())
        value = folder if re.fullmatch(r"[\w/.+-]+", folder, re.ASCII) else override_text(folder)
        words = [f"hydra.sweep.dir={place}" if place else shlex.quote(f"hydra.sweep.dir={value}")]
        name = self.settings.get("study_name")
        if str(name).startswith("no-name-"):
            words.append(f"hydra.sweeper.study_name={name}")
        error.hint = f"; {when}: the same command with {' '.join(words)}"
        return error


_OFFICIAL = "hydra_plugins.hydra_optuna_sweeper"


def _official_is_missing() -> bool:
    if _OFFICIAL in sys.modules:
        return getattr(sys.modules[_OFFICIAL], "stands_in", False)
    return importlib.util.find_spec(_OFFICIAL) is None


if _official_is_missing():
    # Configurations written for hydra-optuna-sweeper name its class as their _target_. Hydra finds plugins by name and
    # imports the name's module, so both are put where it looks.
    _package, _module = ModuleType(_OFFICIAL), ModuleType(f"{_OFFICIAL}.optuna_sweeper")
    OfficialName = type(
        "OptunaSweeper", (OptunaSweeper,), {"__module__": _module.__name__, "__doc__": OptunaSweeper.__doc__}
    )
    _package.stands_in, _package.__path__ = True, []  # type: ignore[attr-defined]
    _package.optuna_sweeper, _module.OptunaSweeper = _module, OfficialName  # type: ignore[attr-defined]
    sys.modules.update({_package.__name__: _package, _module.__name__: _module})
