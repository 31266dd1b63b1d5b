"""A launcher for tests: each job in a forked process of its own, `slots` at a time. A child that dies costs its job."""

import os
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus, run_job
from hydra.plugins.launcher import Launcher
from omegaconf import open_dict


@dataclass
class PoolLauncherConf:
    _target_: str = "hydra_plugins.pool_launcher.PoolLauncher"
    slots: int = 2


ConfigStore.instance().store(group="hydra/launcher", name="pool", node=PoolLauncherConf, provider="tests")


class PoolLauncher(Launcher):
    def __init__(self, slots: int) -> None:
        self.slots = slots

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        self.context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Any, initial_job_idx: int) -> list[JobReturn]:
        running: set[int] = set()
        for index, overrides in enumerate(job_overrides, initial_job_idx):
            if len(running) == self.slots:
                running.discard(os.wait()[0])
            if (pid := os.fork()) == 0:
                try:
                    self._run(list(overrides), index)
                finally:
                    os._exit(0)
            running.add(pid)
        while running:
            running.discard(os.wait()[0])
        return [JobReturn(status=JobStatus.COMPLETED) for _ in job_overrides]

    def _run(self, overrides: list[str], index: int) -> None:
        config = self.context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = index
        run_job(
            hydra_context=self.context,
            task_function=self.task_function,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
