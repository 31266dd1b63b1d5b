"""The launcher that Hydra finds; the work is done by `lightsweep.launching`, imported when it is needed."""

from pathlib import Path
from typing import TYPE_CHECKING

from hydra_plugins.lightsweep_remote.remote_launcher import RemoteLauncher

if TYPE_CHECKING:
    from lightsweep.launching.remote import Carrier


class RayLauncher(RemoteLauncher):
    """Runs each job as a Ray task; the settings are the fields of `RaySettings`."""

    choice, package = "ray", "ray"

    def check(self) -> None:
        """Check the settings; Ray itself is started by `launch`."""
        from lightsweep.launching.on_ray import RaySettings

        self.settings = RaySettings(**self.given)

    def carrier(self, folder: Path) -> "Carrier":
        """Ray, started here or joined."""
        from lightsweep.launching.on_ray import RayCarrier

        return RayCarrier(self.settings)
