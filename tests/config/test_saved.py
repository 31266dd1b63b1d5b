"""A run's configuration, read again with changes from the command line."""

import pytest

from lightsweep.config.saved import read_config
from lightsweep.errors import ConfigError
from lightsweep.paths import RunPaths


@pytest.mark.parametrize("change", ["experiment=fast99", "debug=fast_dev_run", "sweeps=lr_momentum"])
def test_what_sets_keys_all_over_is_for_a_run_that_begins(tmp_path, change):
    RunPaths(tmp_path).config.write_text("trainer: {devices: 1}\n")

    with pytest.raises(ConfigError, match=f"^`{change}` chooses what a run begins with: give single keys, as trainer"):
        read_config(RunPaths(tmp_path), [change])


@pytest.mark.parametrize("change", ["trainer=ddp", "metrics=[f1]"])
def test_a_group_cannot_be_chosen_anew(tmp_path, change):
    paths = RunPaths(tmp_path)
    paths.config.write_text("trainer: {devices: 1}\nmetrics: {}\nlogger: null\n")

    with pytest.raises(ConfigError, match=rf"^`{change[:7]}.* chooses anew what the run has: give single keys, as"):
        read_config(paths, [change])

    assert read_config(paths, ["trainer={devices: 2}", "logger=null"]).trainer.devices == 2
