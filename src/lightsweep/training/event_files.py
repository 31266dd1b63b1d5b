"""TensorBoard's event files, cut back to what they held when a checkpoint was written.

TensorBoard itself forgets by step alone, which would lose or double what several logging points said of one step.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lightning.pytorch.loggers import Logger, TensorBoardLogger

_PATTERN = "events.out.tfevents.*"


def event_sizes(loggers: Iterable[Logger]) -> dict[str, int]:
    """Name and size in bytes of each event file, with all that was logged until now written into it."""
    found = {}
    for logger in _tensorboards(loggers):
        logger.experiment.flush()
        found.update({path.name: path.stat().st_size for path in Path(logger.log_dir).glob(_PATTERN)})
    return found


def cut_back(loggers: Iterable[Logger], sizes: Mapping[str, int]) -> None:
    """Bring the event files back to the sizes they had; those that were not there are removed.

    To be called before the loggers are used: TensorBoard reads a writer's file while it grows.
    """
    for logger in _tensorboards(loggers):
        for path in Path(logger.log_dir).glob(_PATTERN):
            if path.name not in sizes:
                path.unlink()
            elif path.stat().st_size > sizes[path.name]:
                os.truncate(path, sizes[path.name])


def _tensorboards(loggers: Iterable[Logger]) -> Iterator[TensorBoardLogger]:
    return (logger for logger in loggers if isinstance(logger, TensorBoardLogger))
