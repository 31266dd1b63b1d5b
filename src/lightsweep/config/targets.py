"""Builds objects from `_target_` nodes, and only those whose import path is allowed.

Hydra's own instantiate would call anything that a configuration names; a configuration can come from a stranger's run
folder. So each target is resolved here first, and both the path as written and the place where the object was
defined must lie under an allowed prefix: `lightsweep.paths.os.system` is written under one but defined elsewhere.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_object
from hydra.utils import instantiate as hydra_instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf

from lightsweep.errors import ConfigError

ALLOWED = (
    "lightsweep.",
    "torch.nn.",
    "torch.optim.",
    "torchvision.",
    "lightning.pytorch.callbacks.",
    "lightning.pytorch.loggers.",
)


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
    prefixes = (*ALLOWED, *(prefix.rstrip(".") + "." for prefix in trust))
    for target in targets(node):
        refuse_foreign(target, prefixes)
    try:
        found = hydra_instantiate(node, _convert_="all", _partial_=True)  # Hydra would turn arguments into configs
        return found if node.get("_partial_") else found(*args, **kwargs)
    except (InstantiationException, TypeError, ValueError) as error:
        cause = error.__cause__ if isinstance(error, InstantiationException) else error
        if isinstance(cause, ConfigError):
            raise cause from None
        if not isinstance(cause, (TypeError, ValueError)):
            raise
        raise ConfigError(f"`{node.get('_target_')}` could not be built: {cause}") from error


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


def refuse_foreign(target: str, prefixes: tuple[str, ...]) -> None:
    """Raise ConfigError unless a target lies under a prefix by its path, by its home module, and is callable."""
    trusted = ", ".join(prefix.rstrip(".") for prefix in prefixes)
    refusal = ConfigError(
        f"`_target_: {target}` is not allowed: it must lie under one of {trusted}; "
        "if you trust it, add its package: trust=[my_package]"
    )
    if not target.startswith(prefixes) or any(not part.isidentifier() for part in target.split(".")):
        raise refusal
    try:
        found = get_object(target)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"`_target_: {target}` was not found: {error}") from None
    home = getattr(found, "__module__", None) or ""
    if not callable(found) or not f"{home}.".startswith(prefixes):
        raise refusal
