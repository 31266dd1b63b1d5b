"""Hydra's `run_job`, for a configuration that the job has to itself.

Hydra copies a job's configuration four times, 50 ms a job, so that nobody changes what is another's. Here it was
composed for this job, in the job's own process or for one trial.
"""

import os
from collections.abc import Callable
from contextlib import chdir, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import cast

from hydra import version
from hydra._internal.callbacks import Callbacks
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobRuntime, JobStatus, configure_log, env_override
from hydra.types import TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from lightsweep.launching.worker import fill_main

BARE = "runs_bare"
"""Attribute of a task function that does not look at its configuration, and whose JobReturn nobody looks at for one."""
AGAIN = "goes_on_by"
"""Attribute of a task function that goes on with a multirun: of the multirun's folder it makes the command to give."""
SAVE = "saves_by"
"""Attribute of a task function whose folders may hold what is to stay: it writes one of Hydra's files, or waits."""


@dataclass(frozen=True)
class NoMore:
    """What a task function returns of which nothing is wanted: of jobs that have not started there is nothing either.

    A launcher may drop them; one that does not know it starts them for nothing.

    Args:
        failure: why, where the disk is full: it is to be told once all jobs have ended.
    """

    failure: OSError | None = None


def run_job(task_function: TaskFunction, config: DictConfig, callbacks: Callbacks) -> JobReturn:
    """Run one job of a multirun: the same files, surroundings, calls and JobReturn as `hydra.core.utils.run_job` makes.

    But `hydra_cfg` in the JobReturn is the whole configuration, not only its `hydra`; a `BARE` function gets that too.

    Args:
        task_function: the application's task; what it raises is in the JobReturn.
        config: the job's own; it is changed where Hydra sets what is known at run time.
        callbacks: the application's.
    """
    fill_main(task_function)
    hydra, instance = config.hydra, HydraConfig.instance()
    before, instance.cfg = instance.cfg, config  # type: ignore[assignment]
    try:
        folder = Path(os.path.abspath(os.path.join(hydra.sweep.dir, hydra.sweep.subdir)))
        with read_write(hydra.runtime), open_dict(hydra.runtime):
            hydra.runtime.output_dir = str(folder)
        OmegaConf.set_readonly(hydra, True)
        folder.mkdir(parents=True, exist_ok=True)
        with chdir(folder) if _moves(hydra) else nullcontext():
            return _run_there(task_function, config, callbacks, folder)
    finally:
        instance.cfg = before


def _moves(hydra: DictConfig) -> bool:
    return bool(hydra.job.chdir) or (hydra.job.chdir is None and not version.base_at_least("1.2"))


def _run_there(task_function: TaskFunction, config: DictConfig, callbacks: Callbacks, folder: Path) -> JobReturn:
    hydra = config.hydra
    own = config if getattr(task_function, BARE, False) else _without_hydra(config)
    overrides = cast(list[str], OmegaConf.to_container(hydra.overrides.task))
    result = JobReturn(overrides, own, config, os.getcwd())
    configure_log(hydra.job_logging, hydra.verbose)
    if hydra.output_subdir is not None:
        _save(own, hydra, folder / hydra.output_subdir, getattr(task_function, SAVE, _write))
    with env_override(hydra.job.env_set):
        callbacks.on_job_start(config=config, task_function=task_function)
        try:
            result.return_value = task_function(own)
            result.status = JobStatus.COMPLETED
        except Exception as error:
            result.return_value = error
            result.status = JobStatus.FAILED
    result.task_name = JobRuntime.instance().get("name")
    callbacks.on_job_end(config=config, job_return=result)
    return result


def _without_hydra(config: DictConfig) -> DictConfig:
    """A copy that lacks `hydra`, nine tenths of the whole, which is not copied first."""
    content = config.__dict__["_content"]
    hydra = content.pop("hydra")
    try:
        return deepcopy(config)
    finally:
        content["hydra"] = hydra


def _save(own: DictConfig, hydra: DictConfig, folder: Path, write: Callable[[Path, str], None]) -> None:
    texts = {
        "config.yaml": OmegaConf.to_yaml(own),
        "hydra.yaml": "hydra:\n" + indent(OmegaConf.to_yaml(hydra), "  "),
        "overrides.yaml": OmegaConf.to_yaml(hydra.overrides.task),
    }
    for name, text in texts.items():
        write(folder / name, text)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
