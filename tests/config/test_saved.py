"""A run's configuration, read again with changes from the command line."""

import pytest

from lightsweep.config.saved import read_config
from lightsweep.errors import ConfigError
from lightsweep.paths import RunPaths


@pytest.mark.parametrize("change", ["trainer=ddp", "metrics=[f1]"])
def test_a_group_cannot_be_chosen_anew(tmp_path, change):
    paths = RunPaths(tmp_path)
    paths.config.write_text("trainer: {devices: 1}\nmetrics: {}\nlogger: null\n")

    with pytest.raises(ConfigError, match=rf"^`{change[:7]}.* chooses anew what the run has: give single keys, as"):
        read_config(paths, [change])

    assert read_config(paths, ["trainer={devices: 2}", "logger=null"]).trainer.devices == 2
