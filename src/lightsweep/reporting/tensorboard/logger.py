"""The logger that a configuration names: Lightning's, with one event for each logging point and a board around it."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from lightsweep.paths import RunPaths
from lightsweep.training.watching import Watched, Watcher


class TensorBoard(TensorBoardLogger):
    """Writes a run's metrics and all that `docs/dashboards.md` lists into the run's folder.

    Args:
        save_dir: the run's folder.
        norms: log the norms of weights and gradients at each logging point.
        histograms: log histograms of weights and gradients at the end of each epoch.
        predictions: at the end, show the confusion matrix, the most confident mistakes and the first layer's filters.
        graph: at the end, show the network's graph.
        target_acc: validation accuracy; the seconds until it is first reached are a metric of the HParams tab. None
            for no such metric.
    """

    def __init__(
        self,
        save_dir: str,
        norms: bool = True,
        histograms: bool = False,
        predictions: bool = True,
        graph: bool = True,
        target_acc: float | None = None,
    ) -> None:
        name = RunPaths(Path(save_dir)).tensorboard.name
        super().__init__(save_dir, name, version="", default_hp_metric=False)
        self.norms, self.histograms, self.predictions, self.graph = norms, histograms, predictions, graph
        self.target_acc = target_acc
        _leave_errors_to_flush()

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Write numbers, all of a step in one event."""
        from lightsweep.reporting.tensorboard.events import scalars

        self.write(scalars(metrics), step or 0)

    @rank_zero_only
    def write(self, values: list, step: int) -> None:
        """Write values of `events` at a step."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        if values:
            self.experiment._get_file_writer().add_summary(Summary(value=values), step)

    @rank_zero_only
    def write_graph(self, graph: Any) -> None:
        """Write a GraphDef."""
        from tensorboard.compat.proto.event_pb2 import Event

        self.experiment._get_file_writer().add_event(Event(graph_def=graph.SerializeToString()))

    def watcher(self, run: Watched) -> Watcher:
        """What writes the rest."""
        from lightsweep.reporting.tensorboard.board import Board

        return Board(self, run)


_shown = threading.excepthook


def _leave_errors_to_flush() -> None:
    """Print no traceback of TensorBoard's writing thread: the next flush raises its error, which is told then."""
    global _shown
    if threading.excepthook is not _show:
        _shown, threading.excepthook = threading.excepthook, _show


def _show(args: threading.ExceptHookArgs) -> None:
    if type(args.thread).__name__ != "_AsyncWriterThread":
        _shown(args)
