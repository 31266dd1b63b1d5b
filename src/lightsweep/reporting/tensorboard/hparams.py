"""A run in TensorBoard's HParams tab: its settings, its final metrics and how it ended, registered once, at its end.

The tab would take the last value of every curve for a metric. So the metrics lie in an event file of their own below
the run's, with the values of `result.json`. The seed is no hyperparameter: runs that differ in it alone form one
session group, whose metrics the tab averages; settings are told apart as in a report.
"""

import hashlib
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import Status
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

from lightsweep.config.dotted import dotted
from lightsweep.paths import RunPaths
from lightsweep.reporting.grouping import setting_of
from lightsweep.reporting.history import rows
from lightsweep.reporting.runs import flat, kind_of
from lightsweep.reporting.tensorboard.events import Value, scalars, write_events

Setting = bool | float | str

GROUPS = ("model", "data", "optimizer", "scheduler", "trainer", "early_stopping", "callbacks", "monitor", "mode")
METRICS = ("test/acc", "val/acc", "val/loss", "seconds")
"""Metrics of a session, besides `seconds_to_target`. Together they are five, as many as the tab shows at first."""

_STATUS = {"completed": Status.STATUS_SUCCESS, "pruned": Status.STATUS_UNKNOWN}


def settings_of(cfg: DictConfig) -> dict[str, Setting]:
    """A run's settings by their keys, without its seed and without what is null; a group is named by its class.

    Args:
        cfg: a configuration whose interpolations resolve.
    """
    values = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(values, dict)
    found: dict[str, Setting] = {}
    for key, value in dotted({group: values.get(group) for group in GROUPS}):
        above, _, last = key.rpartition(".")
        if last == "_target_":
            found[above] = str(value).rpartition(".")[2] if value is not None else "none"
        elif last.startswith("_") or value is None or value == {}:
            continue
        elif isinstance(value, bool | float | str):
            found[key] = value
        else:
            found[key] = float(value) if isinstance(value, int) else json.dumps(value)
    return found


def group_name(settings: Mapping[str, Setting], told_apart: Mapping[str, Any]) -> str:
    """A name that equal settings share, and only they: readable, with a digest of all that tells them apart."""
    shown = [f"{settings.get('model')}", f"{settings.get('optimizer')}"]
    shown += [
        f"{key}={settings[f'optimizer.{key}']:.4g}" for key in ("lr", "momentum") if f"optimizer.{key}" in settings
    ]
    digest = hashlib.sha256(json.dumps(told_apart, sort_keys=True).encode()).hexdigest()[:6]
    return f"{' '.join(shown)} #{digest}"


def seconds_to(target_acc: float, metrics: Path) -> float | None:
    """Seconds from the start to the first row of `metrics.csv` whose `val/acc` reaches the target; None for never."""
    known = (row for row in rows(metrics) if "val/acc" in row and "seconds" in row)
    return next((row["seconds"] for row in known if row["val/acc"] >= target_acc), None)


def write_session(paths: RunPaths, cfg: DictConfig, result: Mapping[str, Any], target_acc: float | None) -> None:
    """Register a run that has ended; what it registered before, when it was interrupted, is replaced.

    Args:
        paths: the run's folder.
        cfg: its configuration.
        result: what its `result.json` holds. A metric that is None or not finite is left out.
        target_acc: see `TensorBoard`.
    """
    outside: dict[str, str] = {"status": result["status"], "kind": kind_of(paths.folder)}
    settings: dict[str, Setting] = {**settings_of(cfg), **outside}
    now = time.time()
    tree: Any = OmegaConf.to_container(cfg, resolve=True)
    name = group_name(settings, {**setting_of(flat(tree)), **outside})
    start = SessionStartInfo(group_name=name, start_time_secs=now - (result.get("seconds") or 0.0))
    for name, value in settings.items():
        kind = "bool_value" if isinstance(value, bool) else "string_value" if isinstance(value, str) else "number_value"
        setattr(start.hparams[name], kind, value)
    end = SessionEndInfo(status=_STATUS.get(result["status"], Status.STATUS_FAILURE), end_time_secs=now)
    own = [f"{split}/{name}" for name in cfg.get("metrics") or {} for split in ("test", "val")]
    values = {name: result.get(name) for name in (*METRICS, *own)}
    if values["test/acc"] is None:
        values["test/loss"] = result.get("test/loss")
    if target_acc is not None:
        values["seconds_to_target"] = seconds_to(target_acc, paths.metrics)
    known = {name: value for name, value in values.items() if value is not None and math.isfinite(value)}
    infos = [
        _info(metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start)),
        _info(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end)),
    ]
    write_events(paths.session, [(0, infos), (int(result.get("steps") or 0), scalars(known))])


def _info(tag: str, content: HParamsPluginData) -> Value:
    return Value(tag=tag, metadata=metadata.create_summary_metadata(content), tensor=metadata.NULL_TENSOR)
