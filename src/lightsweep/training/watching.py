"""A logger may see a run from inside: it then brings a watcher, a callback that is also told rows and the result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from lightning.pytorch import Callback
from omegaconf import DictConfig

from lightsweep.data import ArrayDataModule
from lightsweep.models import Model
from lightsweep.paths import RunPaths
from lightsweep.training.clock import Clock
from lightsweep.training.result import Result


@dataclass(frozen=True)
class Watched:
    """A run, as a watcher may look at it.

    Attributes:
        cfg: its checked configuration.
        paths: its folder.
        datamodule: its data.
        model: its network and task.
        clock: the overhead meter.
    """

    cfg: DictConfig
    paths: RunPaths
    datamodule: ArrayDataModule
    model: Model
    clock: Clock


@runtime_checkable
class Informed(Protocol):
    """A callback that is told, before training, what only the built model settles."""

    def inform(self, monitor: str, modes: Mapping[str, str | None]) -> None:
        """Learn what is monitored.

        Args:
            monitor: the metric's name.
            modes: `max`, `min`, or None where it does not say, for `monitor` itself and each metric that was added.
        """
        ...


class Watcher(Callback):
    """Lightning's hooks, and two of our own. Changes nothing in the run.

    Attributes:
        wants_predictions: whether the best checkpoint should be validated at the end of a run that is not tested.
    """

    wants_predictions = False

    def on_row(self, step: int, epoch: float, metrics: Mapping[str, float]) -> None:
        """A row of metrics was logged; on all processes, of which the first alone writes."""

    def conclude(self, result: Result) -> None:
        """The run has ended, well or not, and `result.json` is written; on the first process alone."""


@runtime_checkable
class WatchingLogger(Protocol):
    """A logger that brings a watcher."""

    def watcher(self, run: Watched) -> Watcher:
        """The watcher of a run that is built but not yet started."""
        ...
