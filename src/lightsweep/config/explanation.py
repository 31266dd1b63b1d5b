"""What went wrong in a composition, said in one line, with the nearest name there is."""

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.object_type import ObjectType
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from lightsweep.config import signature
from lightsweep.config.elsewhere import here, meant
from lightsweep.config.nearest import nearest
from lightsweep.config.passwords import masked
from lightsweep.config.schema import GROUPS
from lightsweep.errors import lines_of, one_line

COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, yaml.YAMLError)
"""What composing raises where the user's words or files are wrong."""

TORCHVISION = (
    "CIFAR10", "CIFAR100", "Country211", "DTD", "FER2013", "FGVCAircraft", "Flowers102", "Food101", "GTSRB",
    "Imagenette", "OxfordIIITPet", "PCAM", "RenderedSST2", "STL10", "SVHN", "USPS",
)  # fmt: skip
"""Data sets that `data=torchvision` reads, by the names that it knows them by."""
NETWORKS = (
    "alexnet", "convnext", "densenet", "efficientnet", "googlenet", "inception", "maxvit", "mnasnet", "mobilenet",
    "regnet", "resnet", "resnext", "shufflenet", "squeezenet", "swin", "vgg", "vit", "wideresnet",
)  # fmt: skip
"""What the names of those networks begin with that `model=torchvision` makes."""


def explain(error: Exception) -> str:
    """One line for one of the `COMPOSITION_ERRORS`; of a URL in it the password is left out."""
    given = str(error.override).partition("=")[2].strip("'\"") if isinstance(error, OverrideParseException) else None
    return masked(_explained(error), given)


def _explained(error: Exception) -> str:
    if isinstance(error, yaml.YAMLError):
        return f"a configuration file is no YAML: {one_line(error)}"
    if isinstance(error, MissingConfigException) and error.options:
        group, choice = _group_and_choice(error.missing_cfg_file or "")
        options = list(error.options)
        near = _torchvision(group, choice, options) or here(f"{group}={choice}") or _nearest_choice(choice, options)
        return f"`{group}` must be one of {', '.join(options)} but got {choice!r}{near}"
    if isinstance(error, OverrideParseException):
        lines = [line for line in str(error).splitlines() if not line.startswith(("Error parsing", "See "))]
        home = "; for ~ write $HOME" if str(error.override).partition("=")[2].startswith("~") else ""
        quotes = "" if str(error.override).isascii() else "; Hydra wants letters beyond ASCII in quotes: \"key='…'\""
        reason = " ".join(" ".join(lines).split()) if "=" in str(error.override) else "it has no `=`"
        return f"`{error.override}` is no override like key=value: {reason}{home}{quotes}"
    reasons = (error.__cause__, error.__context__)  # of what a file holds, Hydra's error has no cause
    cause = next((reason for reason in reasons if isinstance(reason, OmegaConfBaseException)), error)
    if isinstance(cause, (ConfigAttributeError, ConfigKeyError)):
        return _unknown_key(cause)
    # a value of another type than a plugin's typed config has
    if isinstance(cause, OmegaConfBaseException) and cause is not error and cause.full_key:
        if keys := _keys_of(cause):
            example = f"{cause.full_key}.{next(iter(keys))}={'…' if cause.value is None else cause.value}"
            return f"`{cause.full_key}` is given by its keys {', '.join(keys)}, such as {example}"
        return f"`{cause.full_key}`: {lines_of(cause)[0]}"
    return " ".join(lines_of(error))


def _group_and_choice(path: str) -> tuple[str, str]:
    """`hydra/launcher/local` has a group of two parts, `data/./pictures` a choice of two."""
    group, _, choice = path.partition("/") if path.startswith("data/") else path.rpartition("/")
    return group, choice


def _nearest_choice(choice: str, options: list[str]) -> str:
    """A hint to the choice that is spelt alike, also where an import path is given, as torch.optim.Adam."""
    return nearest(choice, options) or nearest(choice.rpartition(".")[2], options)


def _torchvision(group: str, choice: str, options: list[str]) -> str:
    """A hint where a choice of `data` or `model` is torchvision's, however spelt, or a folder, and none of ours."""
    if group == "model" and _folded(choice).startswith(NETWORKS):
        return f"; did you mean model=torchvision model.name={choice}?"
    if group == "data" and "/" in choice:
        reader = "csv data.path" if choice.endswith(".csv") else "images data.root"
        return f"; did you mean data={reader}={choice}?"
    if group != "data" or _folded(choice) in map(_folded, options):
        return ""
    name = next((name for name in TORCHVISION if _folded(name) == _folded(choice)), None)
    return "" if name is None else f"; did you mean data=torchvision data.name={name}?"


def _folded(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "")


def _keys_of(error: OmegaConfBaseException) -> list[str]:
    """The keys of a plugin's typed node where a single value or a list was given in its place."""
    typed = OmegaConf.get_type(error.child_node) if error.child_node is not None else error.ref_type
    return [field.name for field in fields(typed)] if isinstance(typed, type) and is_dataclass(typed) else []


def _unknown_key(error: OmegaConfBaseException) -> str:
    key, known = str(error.key), []
    if isinstance(error.parent_node, DictConfig):
        known = [str(name) for name in error.parent_node]
    full_key = error.full_key or key
    near = _known_to(full_key) or here(full_key) or _to_be_added(error, full_key)
    return f"`{full_key}` is no known key{near or meant(full_key, _settings_around(error), known) or _listed(known)}"


def _to_be_added(error: OmegaConfBaseException, full_key: str) -> str:
    """How a key is added that no file names: what is built takes it, or it is one of arguments that are passed on."""
    parent, parts = error.parent_node, full_key.split(".")
    target = parent.get("_target_") if isinstance(parent, DictConfig) else None
    callee = signature.read(str(target)) if target is not None else None
    taken = [argument.name for argument in callee.arguments] if callee is not None else []
    passed_on = len(parts) > 2 and parts[0] in GROUPS and not parent
    addable = (parts[-1] in taken and parts[-1] not in signature.GIVEN_BY_US) or passed_on
    return f"; to add it: +{full_key}=<value>" if addable else ""


def _settings_around(error: OmegaConfBaseException) -> dict[str, Any]:
    """The configuration that the key is not in, without Hydra's own."""
    if not isinstance(error.parent_node, DictConfig):
        return {}
    values = OmegaConf.to_container(error.parent_node._get_root())
    return {str(key): value for key, value in values.items() if key != "hydra"} if isinstance(values, dict) else {}


def _known_to(full_key: str) -> str:
    """The plugins of Hydra's that have a key, where the one that is chosen has not."""
    section, _, name = full_key.rpartition(".")
    group, store = section.replace(".", "/"), ConfigStore.instance()
    if not group.startswith("hydra/") or store.get_type(group) != ObjectType.GROUP:
        return ""
    files = [Path(file) for file in store.list(group) if file.endswith(".yaml")]  # there are groups within groups, too
    having = [file.stem for file in files if name in store.load(f"{group}/{file}").node]
    return f"; it belongs to {group}={' or '.join(having)}" if having else ""


def _listed(known: list[str]) -> str:
    return f"; known here: {', '.join(known)}" if known else ""
