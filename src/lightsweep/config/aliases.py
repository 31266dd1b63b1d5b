"""Short names on the command line: `ray.address=auto` for `hydra.launcher.address=auto`, and `slurm.…` likewise.

They are words of the command line alone. A run's configuration says nothing of where it ran, so a sweep's best settings
can be replayed anywhere.
"""

from collections.abc import Sequence

from lightsweep.errors import ConfigError

LAUNCHERS = ("ray", "slurm")


def expand_aliases(arguments: Sequence[str]) -> list[str]:
    """Write launcher settings out under `hydra.launcher`.

    Args:
        arguments: the command line; all else stays as it is.

    Raises:
        ConfigError: settings of a launcher that is not the one chosen.
    """
    chosen = [word.partition("=")[2] for word in arguments if word.startswith("hydra/launcher=")]
    found = []
    for argument in arguments:
        key = argument.lstrip("+~").partition("=")[0]
        name, dot, rest = key.partition(".")
        if name not in LAUNCHERS or not dot:
            found.append(argument)
        elif name not in chosen[-1:]:
            raise ConfigError(f"`{key}` is a setting of hydra/launcher={name}; add hydra/launcher={name}")
        else:
            start = argument.index(key)
            prefix = "++" if "." in rest else argument[:start]  # keys of free mappings, such as ray.init.num_cpus
            found.append(f"{prefix}hydra.launcher.{rest}{argument[start + len(key) :]}")
    return found
