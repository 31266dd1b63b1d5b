"""Makes `sweeps/` beside `conf/` a config group, finds a project's own groups, and names a sweep's folder.

The search path holds `sweeps/` alone, not the folder that it lies in: Hydra lists all that a search path holds, and a
project's root holds outputs and environments. It acts only where the main configuration is lightsweep's own, so other
Hydra programs see nothing of it.
"""

import builtins
from pathlib import PurePosixPath

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.core.object_type import ObjectType
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from lightsweep import paths

GROUP = "sweeps"
_OUR_CONF = (str(paths.conf_dir()), f"file://{paths.conf_dir()}")

# `${lightsweep.first:a,b}`: the first that is not null, for a sweep's folder that bears its study's name
OmegaConf.register_new_resolver(
    "lightsweep.first", lambda *values: next((v for v in values if v is not None), None), replace=True
)


class SweepsSource(FileConfigSource):
    """A folder of which only the group `sweeps` is seen: `sweeps://<folder>`."""

    @staticmethod
    def scheme() -> str:
        """The scheme of its paths."""
        return GROUP

    def is_group(self, config_path: str) -> bool:
        """Whether a path is the root, `sweeps` or a folder below it."""
        return config_path == "" or (_within(config_path) and super().is_group(config_path))

    def is_config(self, config_path: str) -> bool:
        """Whether a path is a configuration below `sweeps`."""
        return _within(config_path) and super().is_config(config_path)

    def list(self, config_path: str, results_filter: ObjectType | None) -> builtins.list[str]:
        """What lies at a path; at the root, `sweeps` alone."""
        if config_path == "":
            return [] if results_filter == ObjectType.CONFIG else [GROUP]
        return super().list(config_path, results_filter)


class LightsweepSearchPath(SearchPathPlugin):
    """Adds `sweeps/` and the user's own groups where the main configuration is lightsweep's.

    What lies in a project's own `conf/` and `sweeps/` comes before what bears the same name here.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add them."""
        main = next((part for part in search_path.get_path() if str(part.path) in _OUR_CONF), None)
        if main is None:
            return
        for folder in reversed(paths.project_folders()):
            if (folder / "conf").is_dir():
                search_path.prepend("project", f"file://{folder / 'conf'}", SearchPathQuery(main.provider, main.path))
            if (folder / GROUP).is_dir():
                search_path.prepend("project", f"{GROUP}://{folder}", SearchPathQuery(main.provider, main.path))
        search_path.append("lightsweep", f"{GROUP}://{paths.home()}")


def _within(config_path: str) -> bool:
    return PurePosixPath(config_path).parts[:1] == (GROUP,)
