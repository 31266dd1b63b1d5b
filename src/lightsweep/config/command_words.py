"""The words of a command line as Hydra takes them, and as Python may give them too: one reading for all who compose."""

import re
from collections.abc import Sequence

from lightsweep.config.aliases import LAUNCHERS, expand_aliases
from lightsweep.config.experiment_file import expand_experiment
from lightsweep.config.renamed import renew_words

MULTIRUN = ("-m", "--multirun")


def command_words(arguments: Sequence[str]) -> list[str]:
    """Experiment files and the launchers' short names written out, new names for old ones, and `-m` first.

    Args:
        arguments: the command line; all else stays as it is.

    Raises:
        ConfigError: see `expand_experiment` and `expand_aliases`.
    """
    words = renew_words(expand_aliases(expand_experiment(arguments)))
    return sorted(words, key=lambda word: word not in MULTIRUN)  # elsewhere Hydra takes no overrides after it


def first_of_hydra(arguments: Sequence[str]) -> str | None:
    """The first key that is for Hydra or for searches: `hydra.run.dir`, `slurm.partition`, `sweeps`; None for none."""
    keys = [word.lstrip("+~").partition("=")[0] for word in arguments]
    return next((key for key in keys if re.split(r"[./@]", key)[0] in ("hydra", "sweeps", *LAUNCHERS)), None)
