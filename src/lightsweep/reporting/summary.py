"""The table at the end of a run."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console
from rich.table import Table

from lightsweep.reporting.overhead import remedy, shares_of
from lightsweep.screen import decimals, many
from lightsweep.training.result import Result


@rank_zero_only
def print_summary(
    result: Result, settings: Mapping[str, Mapping[str, Any]] = MappingProxyType({}), alone: bool = True
) -> None:
    """Print losses and, where there are any, accuracies; time, speed, device, precision and where the files are.

    Args:
        result: the run's.
        settings: the run's configuration, for the advice on speed.
        alone: whether the command is this run's alone, likewise.
    """
    console = Console(soft_wrap=True, highlight=False, markup=False)  # a path may have brackets
    table = Table(title=None, box=None, pad_edge=False)
    own = list(dict.fromkeys(name.partition("/")[2] for name in result.metrics))
    own = [name for name in own if name not in ("loss", "acc")]
    counts = any(result.metrics.get(f"{split}/acc") is not None for split in ("train", "val", "test"))
    for name in ("", "loss", *(["accuracy"] if counts else []), *own):
        table.add_column(name, justify="right" if name else "left")
    picked = result.monitored is not None  # else no epoch's was a number, or a callback stopped the run too early
    val, test = (f"best {result.monitor}", "best checkpoint") if picked else ("last epoch", "last checkpoint")
    for split, note in (("train", "last epoch"), ("val", val), ("test", test)):
        loss, accuracy = result.metrics.get(f"{split}/loss"), result.metrics.get(f"{split}/acc")
        if loss is not None:
            more = [result.metrics.get(f"{split}/{name}") for name in own]
            shown = ["" if value is None else decimals(value) for value in more]
            percent = ["" if accuracy is None else f"{100 * accuracy:.2f} %"] if counts else []
            table.add_row(f"{split} ({note})", decimals(loss), *percent, *shown)
    console.print(table)
    console.print(
        f"{many(result.epochs, 'epoch')}, {many(result.steps, 'step')} in {result.seconds:.1f} s   "
        f"{result.samples_per_second:,.0f} samples/s   {result.device}, {result.precision}"
    )
    console.print(f"time: {shares_of(result.seconds_by_part)}")
    steps_per_epoch = result.steps / result.epochs if result.epochs else math.inf
    hint = remedy(result.seconds_by_part, settings, steps_per_epoch, alone)
    if hint is not None:
        console.print(hint)
    console.print(f"files in {result.folder}")


@rank_zero_only
def print_metrics(metrics: Mapping[str, float]) -> None:
    """Print metrics, a line each."""
    console = Console(highlight=False, markup=False)
    for name, value in metrics.items():
        console.print(f"{name} {decimals(value)}")
