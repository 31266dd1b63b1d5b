"""`report.py`: run folders as one page that answers which setting is better, and how sure that is."""

import sys
from pathlib import Path

from lightsweep.calling import called
from lightsweep.cli.arguments import arguments
from lightsweep.cli.ending import ended_by
from lightsweep.errors import ConfigError

_KNOWN = {"out", "metric", "target"}


def report() -> None:
    """`<folder> [more folders] [out=<folder>] [metric=test/acc] [target=0.98]`: write a report on the runs in them."""
    ended_by(_report, report)


def _report() -> None:
    words = sys.argv[1:]
    named = {word for word in words if _is_folder(word)}
    folders = [Path(word) for word in words if word in named]
    options = arguments(_KNOWN, [word for word in words if word not in named])
    if not folders:
        raise ConfigError(f"no folder is named: {' '.join(called('report'))} <folder of runs> [more folders]")
    target = options.get("target")
    if target is not None and (isinstance(target, bool) or not isinstance(target, int | float)):
        raise ConfigError(f"`target` must be a number but got {target!r}")
    from lightsweep.reporting.report import write_report

    out, metric = (options.get(key) for key in ("out", "metric"))
    done = write_report(folders, None if out is None else Path(out), metric, target)
    print(f"{done.summary}\n\nreport in {done.paths.page}")


def _is_folder(word: str) -> bool:
    """What is no option; the names of folders may hold a `=`, as Hydra's own do, if they are there."""
    key, given, _ = word.partition("=")
    return not given or (key not in _KNOWN and Path(word).is_dir())
