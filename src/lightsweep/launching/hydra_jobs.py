"""Hydra's jobs as the pool's jobs: compose and run in the worker, give back a JobReturn for each in order."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import cloudpickle
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import (
    JobReturn,
    JobRuntime,
    JobStatus,
    filter_overrides,
    setup_globals,
)
from hydra.errors import CompactHydraException
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from lightsweep.errors import ConfigError
from lightsweep.launching.compact_return import CompactReturn
from lightsweep.launching.job import Job
from lightsweep.launching.outcome import JobDied, JobStopped, Outcome, PackedError, pack_error, unpack_error
from lightsweep.launching.run_job import BARE, NoMore, run_job

log = logging.getLogger(__name__)

PRELOAD = ("lightsweep.launching.warm_hydra",)
"""What a warm server of Hydra jobs imports beside the user's own modules."""

_CONFIG_FLAGS = ("--config-name", "-cn", "--config-path", "-cp", "--config-dir", "-cd")


class LauncherConfigError(ConfigError, CompactHydraException):
    """A setting of the launcher is wrong; being Hydra's kind of error too, it is one line in every Hydra program."""


@contextmanager
def hydra_errors() -> Iterator[None]:
    """Turn a ConfigError into a LauncherConfigError."""
    try:
        yield
    except ConfigError as error:
        raise LauncherConfigError(str(error)) from None


@dataclass(frozen=True)
class HydraApp:
    """What all jobs of a launch have in common; called in a worker to run one of them.

    Args:
        singletons: `Singleton.get_state()` of the launching process.
        composed: the configuration of every job where all have the same overrides, as those of a sweeper that leaves
            the choice to the job; None where each composes its own.
    """

    context: HydraContext
    task_function: TaskFunction
    config: DictConfig
    singletons: dict[str, Any]
    composed: DictConfig | None = None

    def __call__(self, overrides: list[str], number: int) -> JobReturn:
        """Run the job `number`."""
        self.singletons["instances"][Plugins] = Plugins.instance()  # or they would be looked for again, in every job
        Singleton.set_state(self.singletons)
        setup_globals()
        sys.argv[:] = single_run_argv(sys.argv, overrides)
        config = self.composed or self.context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(config):
            config.hydra.job.id = number
            config.hydra.job.num = number
        result = run_job(self.task_function, config, self.context.callbacks)
        if getattr(self.task_function, BARE, False):
            result.cfg = result.hydra_cfg = None
        if result.status is JobStatus.FAILED:
            result.return_value = pack_error(result._return_value)
        return CompactReturn(**vars(result))


def hydra_jobs(app: HydraApp, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[Job]:
    """One pool job for each list of overrides.

    Raises:
        TypeError: something in the app cannot be pickled, even by cloudpickle.
    """
    if len(job_overrides) > 1 and all(overrides == job_overrides[0] for overrides in job_overrides):
        composed = app.context.config_loader.load_sweep_config(app.config, list(job_overrides[0]))
        if not composed.hydra.job.env_copy:  # it tells of the process that composes
            app = replace(app, composed=composed)
    try:
        function = cloudpickle.dumps(app)
    except Exception as error:
        error.add_note("the Hydra app's task function, config or callbacks cannot be sent to another process")
        raise
    return [
        Job(number, function, (list(overrides), number), label=" ".join(filter_overrides(overrides)))
        for number, overrides in enumerate(job_overrides, initial_job_idx)
    ]


def devices_per_job(given: int | None, config: DictConfig, job_overrides: Sequence[Sequence[str]] = ()) -> int:
    """How many devices a job takes: as many as Lightning's `trainer.devices` says where that is a number, else one.

    Args:
        given: the launcher's setting; None leaves it to the configuration.
        config: the launch's configuration.
        job_overrides: those of the jobs, which may vary it.

    Raises:
        LauncherConfigError: a job would train on more devices than its slot has.
    """
    wanted = max([_count(OmegaConf.select(config, "trainer.devices", default=1)), 1])
    size = wanted if given is None else given
    lines = [line.lstrip("+").partition("=") for overrides in job_overrides for line in overrides]
    most = max([wanted, *(_count(value) for name, _, value in lines if name == "trainer.devices")])
    if most > size:
        raise LauncherConfigError(
            f"`hydra.launcher.devices_per_job` must be at least trainer.devices, which is {most}, but got {size}"
        )
    return size


def _count(devices: Any) -> int:
    """A number of devices; 0 where it is no number, such as `auto`, -1 or a list, which names single ones."""
    text = str(devices)
    return int(text) if text.isdecimal() else 0


def job_return(outcome: Outcome, overrides: Sequence[str]) -> JobReturn:
    """What Hydra's sweepers expect; a job that could not answer, or was dropped, has little more than overrides."""
    if outcome.error is not None or outcome.dropped:
        result = JobReturn(overrides=list(overrides), task_name=JobRuntime.instance().get("name"))
        result.status = JobStatus.COMPLETED if outcome.dropped else JobStatus.FAILED
        result.return_value = outcome.error
        return result
    result = outcome.value
    if isinstance(result._return_value, PackedError):
        result.return_value = unpack_error(result._return_value)
    return result


def says_no_more(outcome: Outcome) -> bool:
    """Whether the job's task function has returned a `NoMore`."""
    return outcome.error is None and isinstance(outcome.value._return_value, NoMore)


def log_end(job: Job, outcome: Outcome, tells_success: bool) -> None:
    """Say at once, in one line, that a job has raised; Hydra itself tells at the end, and of the first only.

    Args:
        tells_success: whether a job that is done is told too, as where nobody sees what it prints.
    """
    if isinstance(outcome.error, JobDied | JobStopped):  # who noticed a death has told of it
        return
    error = outcome.value._return_value if outcome.error is None else pack_error(outcome.error)
    if isinstance(error, PackedError):
        log.error(f"job {job.number} failed: {error.summary.splitlines()[0]}")
    elif tells_success:
        log.info(job.said("is done"))


def single_run_argv(argv: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """The command line of one job: no multirun, its own overrides, the same primary config.

    A library that starts the program again, as Lightning does for DDP, must repeat the job and not the sweep.
    """
    return [*argv[:1], *config_flags(argv), *overrides]


def config_flags(argv: Sequence[str]) -> list[str]:
    """The words of a command line that say which configuration is read."""
    flags: list[str] = []
    rest = iter(argv[1:])
    for word in rest:
        if word in _CONFIG_FLAGS:
            flags += [word, next(rest, "")]
        elif word.partition("=")[0] in _CONFIG_FLAGS:
            flags.append(word)
    return flags
