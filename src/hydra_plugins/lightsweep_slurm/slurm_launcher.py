"""The launcher that Hydra finds; the work is done by `lightsweep.launching`, imported when it is needed."""

from pathlib import Path
from typing import TYPE_CHECKING

from hydra_plugins.lightsweep_remote.remote_launcher import RemoteLauncher

if TYPE_CHECKING:
    from lightsweep.launching.remote import Carrier


class SlurmLauncher(RemoteLauncher):
    """Runs each job as a member of a SLURM job array; the settings are those of `SlurmCarrier` and submitit's."""

    choice, package = "slurm", "submitit"

    def check(self) -> None:
        """Check what submitit does not."""
        from lightsweep.errors import ConfigError

        if self.given["cluster"] not in ("slurm", "local"):
            raise ConfigError(f"`hydra.launcher.cluster` must be slurm or local but got {self.given['cluster']!r}")
        for name in ("array_parallelism", "timeout_min", "poll_s"):
            if not self.given[name] > 0:
                raise ConfigError(f"`hydra.launcher.{name}` must be above 0 but got {self.given[name]}")

    def carrier(self, folder: Path) -> "Carrier":
        """SLURM, by submitit."""
        from lightsweep.launching.on_slurm import SlurmCarrier

        own = {"cluster", "folder", "poll_s"}
        parameters = {k: v for k, v in self.given.items() if k not in own and v not in (None, {}, [])}
        where = Path(self.given["folder"]).absolute()
        return SlurmCarrier(self.given["cluster"], where, parameters, self.given["poll_s"])
