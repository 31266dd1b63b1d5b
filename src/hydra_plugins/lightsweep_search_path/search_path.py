"""Puts `sweeps/` beside `conf/` on Hydra's search path as a config group, and names a sweep's folder.

Acts only where the main configuration is lightsweep's own, so other Hydra programs see nothing of it.
"""

from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from lightsweep import paths

# `${lightsweep.first:a,b}`: the first that is not null, so that a sweep's folder is named by its study where it has a name.
OmegaConf.register_new_resolver(
    "lightsweep.first", lambda *values: next((v for v in values if v is not None), None), replace=True
)


class LightsweepSearchPath(SearchPathPlugin):
    """Appends the folder that holds `conf/` and `sweeps/`."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append it where the main configuration is lightsweep's."""
        elements: list[Any] = search_path.get_path()
        if any(str(element.path).removeprefix("file://") == str(paths.conf_dir()) for element in elements):
            search_path.append("lightsweep", f"file://{paths.home()}")
