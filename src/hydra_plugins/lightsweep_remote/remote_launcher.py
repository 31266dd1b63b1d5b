"""The frame of a launcher whose jobs run in processes that others start; abstract, so Hydra does not offer it.

It lies here and not in `lightsweep.launching`, which would be imported whenever Hydra looks for its plugins.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from lightsweep.launching import Job, Outcome
    from lightsweep.launching.remote import Carrier


class RemoteLauncher(Launcher):
    """Hands each job to a `Carrier`.

    Args:
        max_retries: how often a job is started again whose process or node was lost.
        grace_s: how long jobs may take to end after Ctrl-C or SIGTERM, in seconds.
        settings: the rest of `hydra.launcher`, kept as plain data in `given`.

    Attributes:
        choice: its name in Hydra's group, as users choose it.
        package: what must be installed.
    """

    choice: ClassVar[str]
    package: ClassVar[str]

    def __init__(self, max_retries: int, grace_s: float, **settings: Any) -> None:
        self.max_retries, self.grace_s = max_retries, grace_s
        self.given: dict[str, Any] = {
            name: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            for name, value in settings.items()
        }

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Check the settings; nothing is started yet.

        Raises:
            ConfigError: the package is not installed, or a setting is impossible.
        """
        from lightsweep.launching.hydra_jobs import hydra_errors
        from lightsweep.launching.hydra_launch import check_remote

        check_remote(self.choice, self.package, self.max_retries, self.grace_s)
        with hydra_errors():
            self.check()
        self.context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run all jobs; see `lightsweep.launching.hydra_launch.launch`."""
        from lightsweep.launching.hydra_launch import launch
        from lightsweep.launching.remote import run_remotely

        def run(folder: Path, jobs: "list[Job]", tell: "Callable[[Job, Outcome], None]") -> "list[Outcome]":
            return run_remotely(jobs, self.carrier(folder), self.max_retries, self.grace_s, tell)

        return launch(
            self.context, self.task_function, self.config, job_overrides, initial_job_idx, run, elsewhere=True
        )

    @abstractmethod
    def check(self) -> None:
        """Raise ConfigError if a setting in `given` is impossible."""

    @abstractmethod
    def carrier(self, folder: Path) -> "Carrier":
        """What takes the jobs to where they run.

        Args:
            folder: the sweep's, absolute.
        """
