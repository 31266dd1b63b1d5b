"""The table: on the terminal, as JSON, as Markdown."""

import json
import sys
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.measure import Row, number

_WORDS = {True: "yes", False: "no", None: "–"}


def print_row(row: Row) -> None:
    """What was found, as soon as it is found."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        f"{row.measure}  {row.name}: {_value(row)}   {'; '.join(map(str, row.samples))}   n {row.num_pairs}"
    )


def print_table(rows: list[Row]) -> None:
    """All rows with the machine and the versions."""
    table = Table(title="lightsweep against plain programs", title_justify="left", expand=False)
    for name in ("", "measure", "found", "spread", "n", "goal", "reached", "medians"):
        table.add_column(name, justify="right" if name in ("found", "spread", "n") else "left", overflow="fold")
    for row in rows:
        medians = "\n".join(map(str, row.samples))
        table.add_row(
            row.measure, row.name, _value(row), _spread(row), str(row.num_pairs), _goal(row), _met(row), medians
        )
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    console.print(table)
    for row in rows:
        details = [f"compared: {row.compared}", *([f"checked: {row.checked}"] if row.checked else []), *row.notes]
        console.print(f"[bold]{row.measure}[/bold] {row.name}", *details, sep="\n   ", markup=True)
    console.print(_machine_line())


def write_json(path: Path, rows: list[Row]) -> None:
    """Everything, with every single reading."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {"date": date.today().isoformat(), "machine": machine(), "rows": [row.as_dict() for row in rows]}
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_markdown(path: Path, rows: list[Row]) -> None:
    """The table as docs/benchmarks.md holds it."""
    lines = [
        f"{date.today().isoformat()}, {_machine_line()}",
        "",
        "| | measure | found | spread | n | goal | reached | medians (smallest–largest) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [row.measure, row.name, _value(row), _spread(row), str(row.num_pairs), _goal(row), _met(row)]
        lines.append(f"| {' | '.join([*cells, '; '.join(map(str, row.samples))])} |")
    lines += ["", "What was compared, and what was found equal before it was timed:", ""]
    for row in rows:
        lines.append(" ".join([f"- **{row.measure} {row.name}**: {row.compared}.", *_sentences(row)]))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@cache
def machine() -> dict[str, Any]:
    """Hardware, versions and the commit."""
    import torch

    from lightsweep.training.environment import environment

    found = environment(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    return found | {"command": ["python", "-m", "bench", *sys.argv[1:]]}


def _machine_line() -> str:
    found = machine()
    versions = ", ".join(f"{name} {found['packages'][name]}" for name in ("torch", "torchvision", "lightning"))
    commit = "" if found["git"] is None else f", commit {found['git']['commit'][:10]}{'+' * found['git']['dirty']}"
    return (
        f"{found['device']}, {found['cpu_cores']} cores, {found['threads']} threads, "
        f"Python {found['python']}, {versions}{commit}"
    )


def _sentences(row: Row) -> list[str]:
    return [f"{text}." for text in ([f"Checked: {row.checked}"] if row.checked else []) + list(row.notes)]


def _value(row: Row) -> str:
    unit = row.goal.unit if row.goal is not None else ""
    return number(row.value) + (f" {unit}" if unit else "")


def _spread(row: Row) -> str:
    return f"{number(row.spread[0])}–{number(row.spread[1])}"


def _goal(row: Row) -> str:
    return "" if row.goal is None else str(row.goal)


def _met(row: Row) -> str:
    return _WORDS[row.reached]
