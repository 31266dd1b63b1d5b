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


class SlurmLauncher(Launcher):
    """Runs each job as a member of a SLURM job array.

    Args:
        cluster, folder, poll_s: see `SlurmCarrier`.
        max_retries: how often a job is submitted again that was lost, pre-empted or ended by its time limit.
        grace_s: how long jobs may take to end after Ctrl-C or SIGTERM, in seconds.
        parameters: submitit's.
    """

    def __init__(
        self, cluster: str, folder: str, poll_s: float, max_retries: int, grace_s: float, **parameters: Any
    ) -> None:
        self.cluster, self.folder, self.poll_s = cluster, folder, poll_s
        self.max_retries, self.grace_s = max_retries, grace_s
        plain: dict[str, Any] = {
            name: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            for name, value in parameters.items()
        }
        self.parameters = {name: value for name, value in plain.items() if value not in (None, {}, [])}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Check the settings.

        Raises:
            ConfigError: the package submitit is not installed, or a setting is impossible.
        """
        from lightsweep.launching.hydra_jobs import LauncherConfigError
        from lightsweep.launching.remote_launch import check_remote

        check_remote("slurm", "submitit", self.max_retries, self.grace_s)
        if self.cluster not in ("slurm", "local"):
            raise LauncherConfigError(f"`hydra.launcher.cluster` must be slurm or local but got {self.cluster!r}")
        for name in ("array_parallelism", "timeout_min", "poll_s"):
            value = self.poll_s if name == "poll_s" else self.parameters[name]
            if not value > 0:
                raise LauncherConfigError(f"`hydra.launcher.{name}` must be above 0 but got {value}")
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
        from lightsweep.launching.on_slurm import SlurmCarrier

        return SlurmCarrier(self.cluster, Path(self.folder).absolute(), self.parameters, self.poll_s)
