"""What Hydra's launchers for Ray and SLURM share: the check that their package is installed, and a launch's frame."""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, configure_log, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from lightsweep.launching.hydra_jobs import (
    HydraApp,
    LauncherConfigError,
    hydra_errors,
    hydra_jobs,
    job_return,
    log_failure,
)
from lightsweep.launching.remote import Carrier, run_remotely


def check_remote(name: str, package: str, max_retries: int, grace_s: float) -> None:
    """Check what both launchers have.

    Raises:
        LauncherConfigError: the package is not installed, or a setting is impossible.
    """
    if importlib.util.find_spec(package) is None:
        raise LauncherConfigError(
            f"`hydra/launcher={name}` needs the package {package}, which is not installed; "
            f"pip install 'lightsweep[{name}]'"
        )
    if isinstance(max_retries, bool) or not isinstance(max_retries, int) or max_retries < 0:
        raise LauncherConfigError(
            f"`hydra.launcher.max_retries` must be a whole number of at least 0 but got {max_retries!r}"
        )
    if not grace_s >= 0:
        raise LauncherConfigError(f"`hydra.launcher.grace_s` must be at least 0 but got {grace_s}")


def launch_remotely(
    context: HydraContext,
    task_function: TaskFunction,
    config: DictConfig,
    overrides: Sequence[Sequence[str]],
    first: int,
    make_carrier: Callable[[Path], Carrier],
    max_retries: int,
    grace_s: float,
) -> list[JobReturn]:
    """Run Hydra's jobs through a carrier; a job that fails or is lost is a JobReturn of status FAILED, in its place.

    Args:
        first: number of the first job.
        make_carrier: makes the carrier, for the sweep's absolute folder.
        max_retries, grace_s: see `run_remotely`.

    Raises:
        KeyboardInterrupt, SystemExit: a signal asked for an end; the jobs that ran have ended.
    """
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    folder = Path(str(config.hydra.sweep.dir)).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    app = HydraApp(context, task_function, config, Singleton.get_state())
    jobs = hydra_jobs(app, overrides, first)
    with hydra_errors():
        outcomes = run_remotely(jobs, make_carrier(folder), max_retries, grace_s, log_failure)
    return [job_return(outcome, given) for outcome, given in zip(outcomes, overrides, strict=True)]
