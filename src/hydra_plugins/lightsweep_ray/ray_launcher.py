"""The launcher that Hydra finds; the work is done by `lightsweep.launching`, imported when it is needed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from lightsweep.launching.remote import Carrier


class RayLauncher(Launcher):
    """Runs each job as a Ray task.

    Args:
        max_retries: how often a job is started again whose process or node was lost.
        grace_s: how long jobs may take to end after Ctrl-C or SIGTERM, in seconds.
        settings: the fields of `RaySettings`.
    """

    def __init__(self, max_retries: int, grace_s: float, **settings: Any) -> None:
        self.max_retries, self.grace_s = max_retries, grace_s
        self.given: dict[str, Any] = {
            name: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            for name, value in settings.items()
        }

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Check the settings; Ray itself is started by `launch`.

        Raises:
            ConfigError: the package ray is not installed, or a setting is impossible.
        """
        from lightsweep.launching.hydra_jobs import hydra_errors
        from lightsweep.launching.on_ray import RaySettings
        from lightsweep.launching.remote_launch import check_remote

        check_remote("ray", "ray", self.max_retries, self.grace_s)
        with hydra_errors():
            self.settings = RaySettings(**self.given)
        self.context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run all jobs; see `launch_remotely`."""
        from lightsweep.launching.remote_launch import launch_remotely

        return launch_remotely(
            self.context,
            self.task_function,
            self.config,
            job_overrides,
            initial_job_idx,
            self._carrier,
            self.max_retries,
            self.grace_s,
        )

    def _carrier(self, folder: Path) -> "Carrier":
        from lightsweep.launching.on_ray import RayCarrier

        return RayCarrier(self.settings)
