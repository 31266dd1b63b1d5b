"""`experiment=<file>.yaml`: an experiment that lies anywhere, such as a sweep's `best.yaml`, as plain overrides.

The file may be a stranger's. It sets what a run's configuration has, and nothing of Hydra's own, which builds whatever
its configuration names; and it does not say whom to trust.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lightsweep.config.aliases import LAUNCHERS
from lightsweep.config.dotted import dotted, leaves
from lightsweep.config.override_text import override_text
from lightsweep.config.places import leads_outside
from lightsweep.errors import ConfigError, one_line
from lightsweep.paths import RunPaths, SweepPaths

_KEY = re.compile(r"[A-Za-z_]\w*(\.\w+)*")
_GROUP = re.compile(r"[A-Za-z_]\w*(/\w+)*(@[\w.]+)?")
_CHOICE = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*")


def expand_experiment(arguments: Sequence[str]) -> list[str]:
    """Put an experiment file's choices and values in the place of its argument; what comes later wins over it.

    Args:
        arguments: the command line; those that name no file stay as they are.

    Raises:
        ConfigError: a file that is not there or is no experiment.
    """
    found: list[str] = []
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key == "experiment" and value.endswith((".yaml", ".yml")):
            given = {word.partition("=")[0] for word in arguments}
            found.extend(overrides_of(Path(value), given))
        else:
            found.append(argument)
    return found


def overrides_of(path: Path, given: set[str]) -> list[str]:
    """An experiment file as overrides: its `override /group: choice` lines first, then its values.

    Args:
        path: the file.
        given: keys that the command line gives as well, and so over the file's.
    """
    try:
        content = OmegaConf.to_container(OmegaConf.load(path))  # as Hydra reads it: 5e-4 is a number
    except OSError as error:
        sweep = SweepPaths(path.parent)
        later = "; the sweep writes it when it ends" if path == sweep.best and sweep.multirun.is_file() else ""
        raise ConfigError(f"`experiment={path}` cannot be read: {error.strerror or error}{later}") from None
    except (yaml.YAMLError, OmegaConfBaseException, ValueError, RecursionError) as error:
        raise ConfigError(f"`experiment={path}` is no YAML file: {one_line(error)}") from None
    run = RunPaths(path.parent)
    if path == run.config and run.overrides.is_file():
        raise ConfigError(
            f"`experiment={path}` is all that a run was composed of, and no experiment; "
            f"to repeat the run give the words in {run.overrides}"
        )
    if not isinstance(content, dict) or not content:
        raise ConfigError(f"`experiment={path}` is no experiment: it holds no keys")
    defaults = content.pop("defaults", None) or []
    if not isinstance(defaults, list):
        raise ConfigError(f"`experiment={path}` is no experiment: its defaults are no list")
    above = [item for item in defaults if not isinstance(item, dict) and item != "_self_"]
    if above:
        raise ConfigError(
            f"`experiment={path}` builds on {above[0]!r} in its defaults, which a file elsewhere cannot: give "
            "`experiment=` its name in conf/experiment/"
        )
    choices = [pair for item in defaults if isinstance(item, dict) for pair in item.items()]
    words = [(str(group).removeprefix("override").strip().lstrip("/"), choice) for group, choice in choices]
    for group, choice in words:
        _refuse_unless(path, group, bool(_GROUP.fullmatch(group)), given)
        for name in choice if isinstance(choice, list) else [choice]:
            if name is not None and not _CHOICE.fullmatch(str(name)):
                raise ConfigError(f"`experiment={path}` chooses {str(name)!r} for `{group}`, which is no name")
    values = list(dotted(content))
    for key, value in values:
        outside = any(leads_outside(key, leaf, Path.cwd()) for _, leaf in leaves(value))
        _refuse_unless(path, key, bool(_KEY.fullmatch(key)) and not outside, given)
    groups = [f"{group}={override_text(choice)}" for group, choice in words]
    return groups + [f"{key}={override_text(value)}" for key, value in values]


def _refuse_unless(path: Path, key: str, allowed: bool, given: set[str]) -> None:
    parts = re.split(r"[./@]", key)
    launching = "hydra" in parts or parts[0] in LAUNCHERS  # short for `hydra.launcher`
    if not allowed or launching or (parts[0] == "trust" and "trust" not in given):
        raise ConfigError(f"`experiment={path}` may not set `{key}`: if that is right, give it on the command line")
