"""The launchers of one sweep, which are handed its jobs."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hydra._internal.callbacks import Callbacks
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from lightsweep.launching.run_job import NoMore

# The job around a trial writes nothing of its own and stays where it is; the trial has its own folder.
_JOB = ["hydra.output_subdir=null", "hydra.sweep.subdir=.", "hydra.job.chdir=false"]


class Crew:
    """Launchers for the jobs of one sweep.

    Args:
        config: the sweep's configuration, with the launcher's.
        context: Hydra's config loader.
        overrides: with which the job around a task composes.
        max_jobs: the most jobs at once; None for no limit.
        share: trials of one job; None for as many as there are.
    """

    def __init__(
        self, config: DictConfig, context: HydraContext, overrides: list[str], max_jobs: int | None, share: int | None
    ) -> None:
        self.config, self.overrides, self.max_jobs, self.share = config, overrides + _JOB, max_jobs, share
        self.context = context

    def launcher(self, job: TaskFunction) -> Launcher:
        """The configured launcher, for this job."""
        return launcher_for(self.config, self.context, job)

    def launch(self, launcher: Launcher, wanted: int, index: int) -> Sequence[JobReturn]:
        """Hand out jobs for so many trials or re-runs, numbered from `index` on."""
        jobs = wanted if self.share is None else -(-wanted // self.share)
        jobs = jobs if self.max_jobs is None else min(jobs, self.max_jobs)
        return launcher.launch([self.overrides] * jobs, initial_job_idx=index)


def launcher_for(config: DictConfig, context: HydraContext, job: TaskFunction) -> Launcher:
    """The configured launcher; a job of the sweep's is none of the application's, whose callbacks it leaves alone."""
    context = HydraContext(context.config_loader, Callbacks())
    return Plugins.instance().instantiate_launcher(hydra_context=context, task_function=job, config=config)


@contextmanager
def quiet(launcher: Launcher) -> Iterator[None]:
    """Keep Hydra's own launchers from printing a line for each job: a job's overrides are not its trial's."""
    name = type(launcher).__module__
    is_plugin = name.startswith("hydra_plugins.hydra_")  # joblib's and others log beside the launcher's module
    own = logging.getLogger(name.rpartition(".")[0] if is_plugin else name)
    level = own.level
    if is_plugin or name.startswith("hydra._internal."):
        own.setLevel(logging.WARNING)
    try:
        yield
    finally:
        own.setLevel(level)


def raise_if_disk_is_full(returns: Sequence[JobReturn]) -> None:
    """Raise what ended a job because the disk of its folder, or of the study, takes no more."""
    for returned in returns:
        if isinstance(returned._return_value, NoMore) and returned._return_value.failure is not None:
            raise returned._return_value.failure


def raise_first_error(returns: Sequence[JobReturn]) -> None:
    """Nothing was started: if the jobs themselves failed, that is why."""
    for returned in returns:
        if returned.status == JobStatus.FAILED:
            raise returned._return_value
