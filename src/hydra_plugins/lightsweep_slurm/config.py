"""The settings of `hydra/launcher=slurm`."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore


@dataclass
class SlurmLauncherConf:
    """The settings under `hydra.launcher`; those that are null are left to SLURM."""

    _target_: str = "hydra_plugins.lightsweep_slurm.slurm_launcher.SlurmLauncher"

    # slurm; local: processes of this machine, all at once, to try a sweep before it is submitted
    cluster: str = "slurm"

    # for scripts, logs and answers; all nodes must see it
    folder: str = "${hydra.sweep.dir}/.submitit"

    name: str = "${hydra.job.name}"
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclude: str | None = None
    gres: str | None = None

    # jobs of the array that run at a time
    array_parallelism: int = 256

    # minutes after which SLURM ends a job
    timeout_min: int = 60

    # seconds before that at which a job is told, to save its state
    signal_delay_s: int = 90

    cpus_per_task: int | None = None
    gpus_per_node: int | None = None
    mem_gb: float | None = None

    # shell commands before Python starts, such as "module load cuda"
    setup: list[str] | None = None

    # further options of sbatch, without their dashes
    additional_parameters: dict[str, Any] = field(default_factory=dict)

    # how often a job is submitted again that was lost, pre-empted or ended by its time limit
    max_retries: int = 3

    # seconds between two looks at the queue
    poll_s: float = 2.0

    # seconds that jobs may take to end after Ctrl-C or SIGTERM, before they are killed
    grace_s: float = 30.0


ConfigStore.instance().store(group="hydra/launcher", name="slurm", node=SlurmLauncherConf, provider="lightsweep_slurm")
