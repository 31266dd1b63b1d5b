"""`ray.…` and `slurm.…` on the command line are the launcher's settings, and nothing else is."""

import pytest

from lightsweep.config.aliases import expand_aliases
from lightsweep.errors import ConfigError


def test_settings_of_the_chosen_launcher_are_written_out():
    given = ["-m", "hydra/launcher=ray", "ray.address=auto", "ray.init.num_cpus=4", "model=mlp", "ray=1", "x.ray.y=2"]

    assert expand_aliases(given) == [
        "-m",
        "hydra/launcher=ray",
        "hydra.launcher.address=auto",
        "++hydra.launcher.init.num_cpus=4",
        "model=mlp",
        "ray=1",
        "x.ray.y=2",
    ]
    assert expand_aliases(["slurm.setup=[a=b]", "hydra/launcher=slurm"])[0] == "hydra.launcher.setup=[a=b]"


@pytest.mark.parametrize("launcher", [[], ["hydra/launcher=slurm"], ["hydra/launcher=ray", "hydra/launcher=local"]])
def test_settings_of_a_launcher_that_is_not_chosen_are_refused(launcher):
    with pytest.raises(ConfigError, match=r"`ray.num_gpus` is a setting of hydra/launcher=ray; add hydra/launcher=ray"):
        expand_aliases([*launcher, "ray.num_gpus=1"])
