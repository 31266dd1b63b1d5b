"""`python -m bench`: measures on the present machine, prints the table, and writes it as JSON and Markdown."""

import argparse
import importlib
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.measure import Row
from bench.options import Options
from bench.report import print_row, print_table, write_json, write_markdown

MEASURES = {
    "S1": "step",
    "S2": "epoch",
    "S3": "whole_command",
    "S4": "conventional",
    "S5": "accuracy99",
    "S6": "answer",
    "S6b": "start",
    "S7": "turnaround",
    "S8": "record",
    "S9": "memory",
    "board": "board",
    "meter": "meter",
}
"""The module of each measure; its `measure(options)` gives rows."""

LONG = ("S3", "S5", "S8")
"""Measures that take from ten minutes to hours, and run when they are asked for."""


def main() -> None:
    """Parse the command line, and measure."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", metavar="S1,S4", help=f"measures to run, of {', '.join(MEASURES)}")
    parser.add_argument("--all", action="store_true", help=f"run the long ones too: {', '.join(LONG)}")
    parser.add_argument("--pairs", type=int, metavar="N", help="pairs of readings of each measure (default: its own)")
    parser.add_argument(
        "--epochs",
        type=int,
        metavar="N",
        help="epochs of S3's commands (default: 10), and of S5's patience (default: 40)",
    )
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="runs of S5 and S8 (default: 5)")
    parser.add_argument("--json", type=Path, default=Path("outputs/bench.json"), metavar="PATH")
    parser.add_argument("--markdown", type=Path, default=Path("outputs/bench.md"), metavar="PATH")
    arguments = parser.parse_args()
    chosen = arguments.only.split(",") if arguments.only else [m for m in MEASURES if arguments.all or m not in LONG]
    for name in chosen:
        if name not in MEASURES:
            parser.error(f"--only must be of {', '.join(MEASURES)} but got {name!r}")
    for option in ("pairs", "epochs", "seeds"):
        value = getattr(arguments, option)
        if value is not None and value < 1:
            parser.error(f"--{option} must be at least 1 but got {value}")

    rows: list[Row] = []
    failed: list[str] = []
    options = Options(arguments.pairs, arguments.epochs, arguments.seeds)
    for name in chosen:
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            for row in _measure_of(name)(options):
                rows.append(row)
                print_row(row)
        except RuntimeError:
            traceback.print_exc()
            failed.append(name)
    print_table(rows)
    write_json(arguments.json, rows)
    write_markdown(arguments.markdown, rows)
    print(f"{arguments.json}  {arguments.markdown}")
    if failed:
        sys.exit(f"not measured: {', '.join(failed)}; the reason stands above")


def _measure_of(name: str) -> Callable[[Options], Iterator[Row]]:
    return importlib.import_module(f"bench.{MEASURES[name]}").measure


if __name__ == "__main__":
    main()
