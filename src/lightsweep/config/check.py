"""Holds a composed configuration against the schema and says in one line what is wrong with it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from annotated_types import Ge, Gt, Le, Lt
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from lightsweep import paths
from lightsweep.config.elsewhere import meant
from lightsweep.config.nearest import nearest_metric
from lightsweep.config.own_arguments import check_arguments
from lightsweep.config.schema import GROUPS, Config, Logger, Metric
from lightsweep.errors import ConfigError, lines_of

_TYPES = {
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "list_type": "a list",
    "dict_type": "a group of keys",
    "model_type": "a group of keys",
    "finite_number": "a finite number",
}
_NUMBERS: dict[Any, str] = {int: "a whole number", float: "a number"}


METRICS = tuple(f"{split}/{name}" for split in ("train", "val") for name in ("acc", "loss"))
"""What every run logs, but that one without classes has no accuracy."""

NO_BATCH_SIZE = "`data.batch_size` is missing: begin the YAML with `defaults: [base, _self_]`"
"""Of data without it, as a YAML of the user's own may be; a class of the user's own may have a value itself."""


def check(cfg: DictConfig, finished: bool = False) -> None:
    """Check types, ranges and names of every key.

    Args:
        cfg: the composed configuration, without Hydra's own node.
        finished: it is that of a run that has trained with it or goes on, whatever the types of the user's own classes
            say now.

    Raises:
        ConfigError: the first thing that is wrong, with the key, what it must be and what it was.
    """
    try:
        values = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise ConfigError(
            f"`{error.full_key}` is missing: it has no default, so give {error.full_key}=<value>"
        ) from None
    except OmegaConfBaseException as error:
        raise ConfigError(f"the configuration does not resolve: {lines_of(error)[0]}") from None
    keyed = {str(key): value for key, value in values.items()}  # type: ignore[union-attr]
    try:
        Config.model_validate(keyed)
    except ValidationError as error:
        raise ConfigError(_line(error.errors(), keyed)) from None
    _check_together(keyed)
    if not finished:
        _check_weights(keyed)
        check_arguments(keyed)


def _check_together(values: dict[str, Any]) -> None:
    if "batch_size" not in values["data"] and values["data"]["_target_"].startswith("lightsweep."):
        raise ConfigError(NO_BATCH_SIZE)
    digits = values["data"].get("digits")
    if digits is not None and (len(digits) != 2 or len(set(digits)) != 2 or not set(digits) <= set(range(10))):
        raise ConfigError(f"`data.digits` must be two distinct digits from 0 to 9 but got {digits}")
    trainer = values["trainer"]
    if trainer["max_epochs"] == -1 and trainer["max_steps"] == -1 and trainer["max_time"] is None:
        raise ConfigError("`trainer.max_epochs`, `max_steps` and `max_time` are all unlimited: set one of them")
    for limit in ("max_epochs", "max_steps"):
        if trainer[limit] == 0:
            raise ConfigError(f"`trainer.{limit}` must be at least 1, or -1 for no limit, but got 0")
    if trainer["max_time"] is not None and not trainer["max_time"].strip("0:"):
        raise ConfigError(
            f"`trainer.max_time` must be above 00:00:00:00, or null for no limit, but got {trainer['max_time']}"
        )
    for name in {"loss", "acc"} & values.get("metrics", {}).keys():
        raise ConfigError(f"`metrics.{name}` is the name of a metric that every run has: choose another")
    fold, num_folds = values["data"].get("fold"), values["data"].get("num_folds", 5)
    if fold is not None and fold >= num_folds:
        raise ConfigError(f"`data.fold` must be below `data.num_folds={num_folds}`, counted from 0, but got {fold}")
    if fold is not None and values["data"].get("val_size") == "own":
        raise ConfigError(f"`data.fold={fold}` draws validation examples, but `data.val_size=own` brings them: set one")
    _check_logged(values)
    _check_monitored(values)


def _check_weights(values: dict[str, Any]) -> None:
    weights = values.get("weights")
    if weights is None:
        if values.get("skip_weights"):
            raise ConfigError("`skip_weights` leaves weights out of a file, but `weights` names none")
        return
    path = paths.RunPaths(Path(weights)).best if Path(weights).is_dir() else Path(weights)
    if not path.exists():
        raise ConfigError(f"`weights` must be a run's folder or a file of weights, but there is no {path}")


def validates(data: Mapping[str, Any]) -> bool:
    """Whether a configuration of data keeps some for validation."""
    return data.get("val_size") != 0 or data.get("fold") is not None


def _check_logged(values: dict[str, Any]) -> None:
    """Metrics are named that some model logs, or that `metrics` adds."""
    added = list(values.get("metrics", {}))
    known = [*METRICS, *(f"val/{name}" for name in added)]
    for key, names in (("monitor", [values["monitor"]]), ("objectives", values["objectives"])):
        for name in names:
            if "/" not in name or name in known:
                continue
            metric = name.removeprefix("val/")
            if metric in paths.choices("metrics"):
                wanted = f"[{','.join([*added, metric])}]" if added else metric
                raise ConfigError(f"`{key}` names {name}, which no model logs by itself: add metrics={wanted}")
            raise ConfigError(f"`{key}` names {name}, which no model logs{nearest_metric(name, known)}")


def _check_monitored(values: dict[str, Any]) -> None:
    """The best checkpoint and early stopping wait for the monitored metric, which must come up once at least."""
    monitor, trainer = values["monitor"], values["trainer"]
    epochs, every = trainer["max_epochs"], trainer["check_val_every_n_epoch"]
    if monitor.startswith("val/") and not validates(values["data"]):
        raise ConfigError(f"`monitor={monitor}` needs a validation split, but `data.val_size` is 0")
    if validates(values["data"]) and not monitor.startswith("train/") and -1 < epochs < every:
        raise ConfigError(
            f"`trainer.check_val_every_n_epoch` must be at most `trainer.max_epochs={epochs}`, or monitor=train/loss, "
            f"or nothing is ever validated, but got {every}"
        )


WHOLE = {"experiment": "conf/experiment/", "debug": "conf/debug/", "project": "conf/project/", "sweeps": "sweeps/"}
"""The groups whose choices set keys all over, and hold nothing of their own, and where the files lie."""


def _line(errors: Sequence[Any], values: dict[str, Any]) -> str:
    for group in ("logger", "callbacks", "metrics"):
        if isinstance(given := values.get(group), dict) and "_target_" in given:
            return f"`{group}` holds `_target_` without a name above it: put all under one, `mine: {{_target_: …}}`"
    first = errors[0]
    keys = _keys(values, first["loc"])
    for error in errors:  # a value that may be of several types has an error for each; the one that went deepest tells
        deeper = _keys(values, error["loc"])
        if len(deeper) > len(keys) and deeper[: len(keys)] == keys:
            first, keys = error, deeper
    name = ".".join(keys) or "the configuration"
    kind, given = first["type"], first["input"]
    if kind == "extra_forbidden":
        model = _model(keys[:-1])
        if name in WHOLE:  # of which the files are choices, that say where their keys go
            return f"`{name}` is no known key: a file of {WHOLE[name]} begins with the line `# @package _global_`"
        return f"`{name}` is no known key{meant(name, values, model.model_fields if model is not None else ())}"
    if kind == "missing":
        loc = [str(part) for part in first["loc"]]
        field = _field(loc)
        return f"`{'.'.join(loc)}` is missing{f': {field.description}' if field is not None else ''}"
    words = [error for error in errors if error["type"] == "literal_error" and _keys(values, error["loc"]) == keys]
    wanted = dict.fromkeys(_wanted(keys, error) for error in [first, *words])
    return f"`{name}` must be {' or '.join(wanted)} but got {given!r}"


def _keys(values: Any, loc: Sequence[Any]) -> list[str]:
    """The parts of an error's location that are keys or indices of the values, not names of union members."""
    keys = []
    for part in loc:
        if part in values if isinstance(values, dict) else isinstance(values, list) and isinstance(part, int):
            values = values[part]
            keys.append(str(part))
    return keys


def _model(keys: Sequence[str]) -> type[BaseModel] | None:
    if not keys:
        return Config
    if len(keys) == 2 and keys[0] in ("logger", "metrics"):
        return Logger if keys[0] == "logger" else Metric
    return GROUPS.get(keys[0]) if len(keys) == 1 else None


def _field(keys: Sequence[str]) -> FieldInfo | None:
    model = _model(keys[:-1])
    return model.model_fields.get(keys[-1]) if model is not None and keys else None


def _wanted(keys: Sequence[str], error: Any) -> str:
    field = next((found for end in range(len(keys), 0, -1) if (found := _field(keys[:end])) is not None), None)
    parts = _parts(field) if field is not None else {}
    if len(set(parts.values())) > 1:
        return " or ".join(f"{kind} in {bounds}" for kind, bounds in parts.items())
    bounds = interval(field) if field is not None else ""
    kind = error["type"]
    if kind in ("string_type", "string_pattern_mismatch") and field is not None and field.examples:
        return f"a text like {' or '.join(field.examples)} ({field.description})"
    if kind in _TYPES:
        of = " of values" if kind == "list_type" and bounds else ""
        return _TYPES[kind] + of + (f" in {bounds}" if bounds else "")
    if kind == "literal_error":
        choices = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
        null = " or null" if field is not None and type(None) in get_args(field.annotation) else ""
        return (f"one of {choices}" if "," in choices else choices) + null
    if kind == "too_short":
        return f"a list of at least {error['ctx']['min_length']}"
    if kind == "too_long":
        return f"a list of at most {error['ctx']['max_length']}"
    if bounds:
        return f"in {bounds}"
    text = str(error["msg"])
    return text.removeprefix("Input should be ").removeprefix("Value should be ")


def _parts(field: FieldInfo) -> dict[str, str]:
    """The range of each kind of number that a field may be: `limit_val_batches` is a count of batches or a share."""
    found = [FieldInfo.from_annotation(part) for part in get_args(field.annotation)]
    return {_NUMBERS[part.annotation]: interval(part) for part in found if part.annotation in _NUMBERS}


def interval(field: FieldInfo) -> str:
    """The range of a field in interval notation, such as `[0, 1)`, or an empty text.

    Of one that may be several numbers, that is what all of them lie in; see `type_words.described`.
    """
    low, high = "(-inf", "inf)"
    for bound in _bounds(field):
        if isinstance(bound, Ge):
            low = f"[{bound.ge}"
        elif isinstance(bound, Gt):
            low = f"({bound.gt}"
        elif isinstance(bound, Le):
            high = f"{bound.le}]"
        elif isinstance(bound, Lt):
            high = f"{bound.lt})"
    return "" if (low, high) == ("(-inf", "inf)") else f"{low}, {high}"


def _bounds(field: FieldInfo) -> list[Any]:
    found: list[Any] = []

    def visit(annotation: Any, metadata: Sequence[Any]) -> None:
        for item in metadata:
            found.extend(item.metadata if isinstance(item, FieldInfo) else [item])
        if hasattr(annotation, "__metadata__"):
            visit(annotation.__origin__, annotation.__metadata__)
        for part in getattr(annotation, "__args__", ()):
            visit(part, ())

    visit(field.annotation, field.metadata)
    return found
