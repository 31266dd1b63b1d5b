"""What Hydra's launchers share: a launch's frame, and for Ray and SLURM the check that their package is installed."""

import importlib.util
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, configure_log, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from lightsweep.errors import Interrupted
from lightsweep.imports import how_to_install
from lightsweep.launching.hydra_jobs import (
    HydraApp,
    LauncherConfigError,
    hydra_errors,
    hydra_jobs,
    job_return,
    log_end,
)
from lightsweep.launching.job import Job
from lightsweep.launching.outcome import JobDied, JobStopped, Outcome
from lightsweep.launching.run_job import AGAIN, BARE
from lightsweep.screen import many

log = logging.getLogger(__name__)


def launch(
    context: HydraContext,
    task_function: TaskFunction,
    config: DictConfig,
    overrides: Sequence[Sequence[str]],
    first: int,
    run: Callable[[Path, list[Job], Callable[[Job, Outcome], None]], list[Outcome]],
    elsewhere: bool,
) -> list[JobReturn]:
    """Run Hydra's jobs; a job that fails or dies is a JobReturn of status FAILED, in its place.

    Args:
        first: number of the first job.
        run: runs the jobs, given the sweep's absolute folder, the jobs and what to call for each that has ended.
        elsewhere: whether what the jobs print is not seen here.

    Raises:
        KeyboardInterrupt, SystemExit, Interrupted: a signal asked for an end; the jobs that ran have ended.
    """
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    folder = Path(str(config.hydra.sweep.dir)).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    app = HydraApp(context, task_function, config, Singleton.get_state())
    jobs, ended = hydra_jobs(app, overrides, first), set()
    bare = getattr(task_function, BARE, False)  # a sweeper's own function: it tells how its sweep gets and goes on

    def tell(job: Job, outcome: Outcome) -> None:
        log_end(job, outcome, elsewhere and not bare)
        if not isinstance(outcome.error, JobDied | JobStopped):
            ended.add(job.number)

    try:
        with hydra_errors():
            outcomes = run(folder, jobs, tell)
    except (KeyboardInterrupt, SystemExit, Interrupted):
        if not bare:
            left = f"{len(jobs) - len(ended)} of {many(len(jobs), 'job')} did not run to the end"
            command = getattr(task_function, AGAIN, None)
            hint = "the same command starts again with the first" if command is None else f"to go on: {command(folder)}"
            log.warning(f"{left}; {hint}")
        raise
    return [job_return(outcome, given) for outcome, given in zip(outcomes, overrides, strict=True)]


def check_remote(name: str, package: str, max_retries: int, grace_s: float) -> None:
    """Check what both launchers have.

    Raises:
        LauncherConfigError: the package is not installed, or a setting is impossible.
    """
    if importlib.util.find_spec(package) is None:
        raise LauncherConfigError(
            f"`hydra/launcher={name}` needs the package {package}, which is not installed; "
            f"{how_to_install(f'lightsweep[{name}]')}"
        )
    if isinstance(max_retries, bool) or not isinstance(max_retries, int) or max_retries < 0:
        raise LauncherConfigError(
            f"`hydra.launcher.max_retries` must be a whole number of at least 0 but got {max_retries!r}"
        )
    if not grace_s >= 0:
        raise LauncherConfigError(f"`hydra.launcher.grace_s` must be at least 0 but got {grace_s}")
