"""The launcher that Hydra finds; the work is done by `lightsweep.launching`, imported when it is needed."""

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from lightsweep.launching import Job, JobEvent, Outcome

log = logging.getLogger(__name__)


class LocalLauncher(Launcher):
    """Runs each job in a fresh warm-forked process, one job at a time in each device slot.

    Args:
        gpus, slots_per_gpu, num_workers: see `SlotSettings`.
        devices_per_job: see `devices_per_job`.
        preload: modules that the warm server imports once for all jobs.
        grace_s: how long jobs may take to end after Ctrl-C or SIGTERM, in seconds.
    """

    on_event: "Callable[[JobEvent], None] | None" = None
    """Set by whoever shows the state of the slots: called for every start and end of a job, in the launching thread."""

    def __init__(
        self,
        gpus: Any,
        slots_per_gpu: int,
        num_workers: int | None,
        devices_per_job: int | None,
        preload: Sequence[str],
        grace_s: float,
    ) -> None:
        from lightsweep.launching import SlotSettings
        from lightsweep.launching.hydra_jobs import PRELOAD

        if OmegaConf.is_config(gpus):
            gpus = OmegaConf.to_container(gpus, resolve=True)
        self.settings = SlotSettings(gpus, slots_per_gpu, num_workers)
        self.devices_per_job = devices_per_job
        self.preload = (*preload, *PRELOAD)
        self.grace_s = grace_s

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Check the settings, and let the warm server begin to import while the sweep is prepared.

        Raises:
            ConfigError: a setting is impossible on this machine.
        """
        from lightsweep.launching import Machine, plan_slots
        from lightsweep.launching.hydra_jobs import LauncherConfigError, devices_per_job, hydra_errors
        from lightsweep.launching.warm_server import shared_server

        if sys.platform != "linux":
            raise LauncherConfigError(f"`hydra/launcher=local` needs Linux but this is {sys.platform}")
        if not self.grace_s >= 0:
            raise LauncherConfigError(f"`hydra.launcher.grace_s` must be at least 0 but got {self.grace_s}")
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config
        self.settings = replace(self.settings, devices_per_job=devices_per_job(self.devices_per_job, config))
        with hydra_errors():
            self.machine = Machine.look()
            plan_slots(self.settings, self.machine)
        shared_server(self.preload)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run all jobs; see `lightsweep.launching.hydra_launch.launch`."""
        from lightsweep.launching import Pool, plan_slots
        from lightsweep.launching.hydra_jobs import devices_per_job, says_no_more
        from lightsweep.launching.hydra_launch import launch
        from lightsweep.screen import many

        def run(_folder: Path, jobs: "list[Job]", tell: "Callable[[Job, Outcome], None]") -> "list[Outcome]":
            def see(event: "JobEvent") -> None:
                if event.outcome is not None:
                    tell(event.job, event.outcome)
                if self.on_event is not None:
                    self.on_event(event)

            slots = plan_slots(self.settings, self.machine, len(jobs))
            log.info(
                f"Launching {many(len(jobs), 'job')} in {many(len(slots), 'slot')}, "
                f"{many(slots[0].num_threads, 'thread')} each"
            )
            return Pool(slots, self.preload, self.grace_s, see, says_no_more).run(jobs)

        devices_per_job(self.settings.devices_per_job, self.config, job_overrides)
        return launch(
            self.hydra_context, self.task_function, self.config, job_overrides, initial_job_idx, run, elsewhere=False
        )
