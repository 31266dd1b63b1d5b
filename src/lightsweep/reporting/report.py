"""Which setting is better, and how sure are we? Reads run folders; writes a page, Markdown, CSV and PNGs."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightsweep.config.nearest import nearest
from lightsweep.errors import ConfigError
from lightsweep.files import make_folder, write_bytes, write_csv, write_text, written_into
from lightsweep.paths import ReportPaths
from lightsweep.reporting import sections
from lightsweep.reporting.comparing import MOST_COMPARED, Difference, differences, metrics_of
from lightsweep.reporting.figures import best_first, styled
from lightsweep.reporting.grouping import Group, group_runs
from lightsweep.reporting.losses import ranking
from lightsweep.reporting.page import Section, html_page, markdown_page
from lightsweep.reporting.runs import Run, counted, find_runs
from lightsweep.reporting.studies import find_sweeps, told_by_studies
from lightsweep.screen import many

_FIGURE = re.compile(r"\(figures/([\w-]+)\.png\)")
"""A figure's name in `report.md`."""


@dataclass(frozen=True)
class Report:
    """What was written.

    Args:
        paths: where.
        summary: the lines to print: what was read, and the table of means.
    """

    paths: ReportPaths
    summary: str


def write_report(
    folders: Sequence[Path], out: Path | None = None, metric: str | None = None, target: float | None = None
) -> Report:
    """Read all runs in and below some folders, and write the report.

    Args:
        folders: runs, multiruns, sweeps, or folders of them.
        out: where it goes; None for `report` in the first folder.
        metric: what settings are ranked by; None for the first there is of test/acc, test/loss, val/acc, val/loss, and
            in the place of losses of different kinds another.
        target: the value of the validation metric that `time to target` asks for; None for the median of the runs'
            best.

    Raises:
        RunFolderError: a folder that is none, or no run, or one that cannot be written.
        ConfigError: a metric that no run has.
        StorageFailed: the disk is full.
    """
    runs = find_runs(folders)
    groups = group_runs(runs)
    sweeps = find_sweeps(folders, runs)
    runs = told_by_studies(runs, sweeps)
    metrics = metrics_of([run for group in groups for run in group.completed]) or metrics_of(runs)
    if metric is not None and metric not in metrics:
        raise ConfigError(f"`metric` is {metric}, which no run has{nearest(metric, metrics)}")
    metric = metric or (ranking(groups, metrics) if metrics else "")
    ranked = best_first(groups, metric)
    every_pair = sum(bool(group.completed) for group in ranked) <= MOST_COMPARED
    found = {name: differences(ranked, name, every_pair) for name in metrics}
    parts = [
        sections.results(groups, metrics, metric),
        sections.paired(ranked, found, metric),
        sections.curves(groups, metric),
        sections.time_to_target(groups, metric, target),
        sections.sweeps(sweeps, runs, styled(groups, metric)),
        sections.not_counted(runs, groups),
        sections.every_run(runs, groups),
    ]
    shown = [part for part in parts if part is not None]
    paths = ReportPaths(out if out is not None else folders[0] / ReportPaths.NAME)
    title = f"Report on {', '.join(folder.resolve().name for folder in folders)}"
    lines = _facts(runs, groups)
    make_folder(paths.figure("").parent, "the report's ", "; name another place: out=<folder>")
    with written_into(paths.folder):
        _write(paths, title, lines, shown)
        _write_tables(paths, runs, groups, metrics, found)
    table = parts[0].tables.get("") if parts[0] is not None else None
    return Report(paths, "\n".join([*lines, *([table.markdown()] if table is not None else []), *_missing(groups)]))


def _missing(groups: Sequence[Group]) -> list[str]:
    """A line on the settings that are in no table of means, since no run of theirs completed."""
    left = [f"{group.name} ({counted(group.runs)})" for group in groups if not group.completed]
    return [f"Not in the table: {', '.join(left)}."] if left else []


def _facts(runs: Sequence[Run], groups: Sequence[Group]) -> list[str]:
    """How many runs in which state, on what hardware, with which versions."""
    kinds = Counter(run.kind for run in runs)
    lines = [f"{many(len(runs), 'run')} read: {counted(runs)}."]
    if kinds["trial"]:
        tried = "1 is a sweep's trial" if kinds["trial"] == 1 else f"{kinds['trial']} are trials of sweeps"
        again = f", {many(kinds['rerun'], 're-run')} of a sweep's best" if kinds["rerun"] else ""
        lines.append(
            f"{tried}{again}; trials are not in the means: each was made once, and the "
            "best of them is best partly by luck."
        )
    if groups:
        folds = " and the fold" * any(run.fold[1] for run in runs)
        told = f"told apart by all that changes how a model is trained, but the seed{folds}"
        lines.append(f"{many(len(groups), 'setting')}, {told}.")
    devices = sorted({str(run.hardware["device"]) for run in runs if run.hardware.get("device")})
    versions = sorted({text for run in runs if (text := _versions(run))})
    commits = sorted({text for run in runs if (text := _commit(run))})
    if devices:
        lines.append(f"Hardware: {'; '.join(devices)}. Versions: {'; '.join([*versions, *commits]) or 'not noted'}.")
    return lines


def _versions(run: Run) -> str:
    packages = run.hardware.get("packages")
    if not isinstance(packages, dict):
        return ""
    return ", ".join(f"{name} {packages[name]}" for name in ("torch", "lightning", "optuna") if packages.get(name))


def _commit(run: Run) -> str:
    git = run.hardware.get("git")
    if not isinstance(git, dict) or not git.get("commit"):
        return ""
    return f"commit {str(git['commit'])[:10]}" + (" with changes" if git.get("dirty") else "")


def _write(paths: ReportPaths, title: str, lines: Sequence[str], parts: Sequence[Section]) -> None:
    before = set(_FIGURE.findall(paths.markdown.read_text("utf-8", "replace"))) if paths.markdown.is_file() else set()
    drawings = [drawing for part in parts for drawing in part.every_figure()]
    for drawing in drawings:
        write_bytes(paths.figure(drawing.name), drawing.png)
    for name in before - {drawing.name for drawing in drawings}:  # of the report that this one takes the place of
        paths.figure(name).unlink(missing_ok=True)
    write_text(paths.page, html_page(title, lines, parts))
    write_text(paths.markdown, markdown_page(title, lines, parts, paths.figure("").parent.name))


def _write_tables(
    paths: ReportPaths,
    runs: Sequence[Run],
    groups: Sequence[Group],
    metrics: Sequence[str],
    differing: Mapping[str, Sequence[Difference]],
) -> None:
    keys = list(dict.fromkeys(key for group in groups for key in group.settings))
    head = [column for name in metrics for column in (name, f"{name}_half_width_95", f"{name}_n")]
    rows: list[list[Any]] = [["setting", "runs", "completed", *head, *keys]]
    for group in groups:
        numbers: list[Any] = []
        for name in metrics:
            estimate = group.estimate(name)
            numbers += [estimate.mean, estimate.half_width, estimate.n]
        counts = [len(group.runs), len(group.completed)]
        rows.append([group.name, *counts, *numbers, *(group.settings.get(key) for key in keys)])
    write_csv(paths.settings, rows)
    rows = [["metric", "first", "second", "n", "difference", "half_width_95", "p", "p_holm", "note"]]
    for pair in (pair for pairs in differing.values() for pair in pairs):
        found = pair.estimate
        numbers = [found.n, found.mean, found.half_width, found.p, pair.adjusted]
        rows.append([pair.metric, pair.first, pair.second, *numbers, pair.note])
    write_csv(paths.differences, rows)
    names = {run.folder: group.name for group in groups for run in group.runs}
    every = sorted({name for run in runs for name in run.metrics})
    rows = [["folder", "kind", "setting", "seed", "fold", "status", "reason", *every]]
    for run in runs:
        fold = run.fold[0] if run.fold[1] else None
        facts = [str(run.folder.resolve()), run.kind, names.get(run.folder, ""), run.seed, fold, run.status, run.reason]
        rows.append([*facts, *(run.metrics.get(name) for name in every)])
    write_csv(paths.runs, rows)
