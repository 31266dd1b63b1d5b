"""Builds objects from `_target_` nodes, and only those that a run is made of.

Hydra's own instantiate would call anything that a configuration names; a configuration can come from a stranger's run
folder. So each target is resolved here first. The path as written and the module where the object was defined must lie
under an allowed prefix (`lightsweep.paths.os.system` is written under one but defined elsewhere), and the object must
be a part of a run: torchvision also has functions that write files, and lightsweep some that delete them.
"""

import inspect
import pkgutil
import re
import sys
from collections.abc import Container, Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any, TypeGuard

from hydra._internal.utils import _locate as locate  # hydra.utils.get_object would log what it does not find
from hydra.errors import InstantiationException
from hydra.utils import instantiate as hydra_instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf

from lightsweep.config.nearest import nearest
from lightsweep.errors import ConfigError, one_line, place_of

ALLOWED = (  # prefixes of what may be built without `trust`, if it is a part of a run as well
    "lightsweep.",
    "torch.nn.",
    "torch.optim.",
    "torchvision.",
    "lightning.pytorch.callbacks.",
    "lightning.pytorch.loggers.",
    "torchmetrics.classification.",  # not all of torchmetrics: its text and image metrics load networks by name
    "torchmetrics.regression.",
)
_FACTORIES = ("lightsweep.training.optimizers.", "lightsweep.training.schedulers.", "torchvision.models.")


def instantiate(node: DictConfig, *args: Any, trust: Iterable[str] = (), **kwargs: Any) -> Any:
    """Build what a node describes, with everything inside it.

    Args:
        node: a configuration with a `_target_`.
        args: positional arguments for the target.
        trust: import prefixes that the user allows besides `ALLOWED`.
        kwargs: keyword arguments for the target, over the node's own. A node that says `_partial_: true` takes
            neither, and gives a `functools.partial`.

    Raises:
        ConfigError: a target that is not allowed or not found, or arguments that it does not take.
    """
    if node.get("_target_") is None:
        raise ConfigError("a configuration that something is built from has no `_target_`")
    for target in targets(node):
        refuse_foreign(target, trust)
    try:
        found = hydra_instantiate(node, _convert_="all", _partial_=True)  # Hydra would turn arguments into configs
        return found if node.get("_partial_") else found(*args, **kwargs)
    except Exception as error:
        cause = error.__cause__ if isinstance(error, InstantiationException) else error
        if isinstance(cause, ConfigError):
            raise cause from None
        if isinstance(cause, ModuleNotFoundError):
            told = f"`{node.get('_target_')}` needs a package that is not installed: {one_line(cause)}{place_of(cause)}"
            raise ConfigError(told) from error
        if cause is not None and _is_refusal(cause):
            raise ConfigError(f"`{_refused_target(error, node)}` could not be built: {refusal(cause, node)}") from error
        raise


def _refused_target(error: Exception, node: DictConfig) -> str:
    """Which target of a node refused its arguments: an inner one, if Hydra names it, by the module that defined it."""
    named = re.search(r"^Error in .*target '(.+)'", str(error)) if isinstance(error, InstantiationException) else None
    name = named[1].rpartition(".")[2] if named else ""
    return next((target for target in targets(node) if target.rpartition(".")[2] == name), str(node.get("_target_")))


def _is_refusal(error: BaseException) -> TypeGuard[Exception]:
    """Whether an error may be due to the arguments, as of shapes that do not fit; what tells of a memory is not.

    Lightning has a type of its own for it, which is not imported here.
    """
    if isinstance(error, (TypeError, ValueError)) or type(error).__name__ == "MisconfigurationException":
        return True
    return type(error) is RuntimeError and "can't allocate memory" not in str(error)


def refusal(error: Exception, keys: Container[str]) -> str:
    """Why and where a target refused what a node's keys say; of one that it does not take, that alone."""
    unknown = re.search(r"got an unexpected keyword argument '(\w+)'", str(error))
    return f"it takes no `{unknown[1]}`" if unknown and unknown[1] in keys else f"{one_line(error)}{place_of(error)}"


def targets(node: Any) -> Iterator[str]:
    """Every `_target_` in a configuration, outermost first."""
    plain = OmegaConf.to_container(node, resolve=True) if isinstance(node, (DictConfig, ListConfig)) else node
    if isinstance(plain, dict):
        if plain.get("_target_") is not None:
            yield str(plain["_target_"])
        plain = list(plain.values())
    if isinstance(plain, list):
        for part in plain:
            yield from targets(part)


def find_target(target: str, trust: Iterable[str]) -> Any:
    """The class or function of a path that is allowed; see `refuse_foreign`."""
    refuse_foreign(target, trust)  # before it is imported
    return locate(target)


def parameters_of(target: str, trust: Iterable[str]) -> Mapping[str, inspect.Parameter]:
    """What the class or function of a path that is allowed takes, by name."""
    try:
        return inspect.signature(find_target(target, trust)).parameters
    except ValueError:  # of some classes that are written in C, as dict and what is derived from it, Python knows none
        return {}


def refuse_foreign(target: str, trust: Iterable[str] = ()) -> None:
    """Raise ConfigError unless a target is a part of a run that lies under `ALLOWED`, or lies under a trusted prefix.

    Where it lies is both its path and the module that defined it.
    """
    trusted = tuple(prefix.rstrip(".") + "." for prefix in trust)
    prefixes = (*ALLOWED, *trusted)
    advice = f"if you trust it, add its package: trust=[{target.partition('.')[0] or 'my_package'}]"
    outside = ConfigError(
        f"`_target_: {target}` is not allowed: it must lie under one of "
        f"{', '.join(prefix.rstrip('.') for prefix in prefixes)}; {advice}"
    )
    if not target.startswith(prefixes) or any(not part.isidentifier() for part in target.split(".")):
        raise outside
    try:
        found = locate(target)
    except (ImportError, AttributeError, ValueError, SystemExit) as error:
        raise ConfigError(f"`_target_: {target}` {_why_not_found(target, error)}") from None
    home = f"{getattr(found, '__module__', None) or ''}."
    if target.startswith(trusted) and not callable(found):
        raise ConfigError(f"`_target_: {target}` must be a class or a function but is {found!r:.60}")
    if target.startswith(trusted) and not home.startswith(prefixes):
        wider = ",".join([*trust, home.partition(".")[0]])
        raise ConfigError(
            f"`_target_: {target}` is not allowed: it is imported from {home.rstrip('.')}, which `trust` does not "
            f"name; if you trust it, add its package: trust=[{wider}]"
        )
    if not callable(found) or not home.startswith(prefixes):
        raise outside
    if not home.startswith(trusted or "\0") and not _is_part_of_a_run(found, home):
        raise ConfigError(
            f"`_target_: {target}` is not allowed: it is no model, optimizer, scheduler, data module, callback, "
            f"logger, metric or transform; {advice.replace(target.partition('.')[0], target.rpartition('.')[0])}"
        )


def absence(path: str, error: BaseException) -> str | None:
    """What a path names that is not there, with the nearest name that is; None where the error is of something else.

    Args:
        path: an import path, which was not found.
        error: what told so, such as that a module cannot be imported.
    """
    above, *names = path.split(".")
    found: Any = sys.modules.get(above)
    for name in names:
        inner = getattr(found, name, None)
        if inner is None:
            break
        above, found = f"{above}.{name}", inner
    else:
        return None
    names_it = isinstance(error, ModuleNotFoundError) and error.name == f"{above}.{name}"
    if found is None or (isinstance(found, ModuleType) and not names_it):
        return None  # such as what the module itself imports
    known = [*dir(found), *(module.name for module in pkgutil.iter_modules(getattr(found, "__path__", [])))]
    return f"{above} has no {name}{nearest(name, (each for each in known if not each.startswith('_')))}"


def _why_not_found(target: str, error: BaseException) -> str:
    cause = error.__cause__ or error  # Hydra's own text is of several lines
    absent = absence(target, cause)
    if absent is not None:
        return f"was not found: {absent}"
    if isinstance(cause, (ImportError, AttributeError)):
        return f"was not found: {one_line(cause)}{place_of(cause)}"
    told = f"{type(cause).__name__}: {one_line(cause)}{place_of(cause)}"
    return f"was not found, for its module cannot be imported: {told}"


def _is_part_of_a_run(found: Any, home: str) -> bool:
    if not inspect.isclass(found):
        return inspect.isfunction(found) and home.startswith(_FACTORIES)
    from lightning.pytorch import Callback, LightningDataModule
    from lightning.pytorch.loggers import Logger
    from torch import nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    kinds = (nn.Module, Optimizer, LRScheduler, LightningDataModule, Callback, Logger)
    return issubclass(found, kinds) or home.startswith("torchvision.transforms.")
