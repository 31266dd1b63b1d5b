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

    # name of the jobs in the queue
    name: str = "${hydra.job.name}"

    # set of nodes that jobs are sent to; null: the cluster's own choice
    partition: str | None = None

    # account that the time is charged to; null: the user's own
    account: str | None = None

    # quality of service, by its name
    qos: str | None = None

    # features that a node must have, such as "a100"
    constraint: str | None = None

    # nodes that take no job, such as "node[01-03]"
    exclude: str | None = None

    # further resources of a node, such as "gpu:a100:1"; for GPUs of any kind gpus_per_node is enough
    gres: str | None = None

    # jobs of the array that run at a time
    array_parallelism: int = 256

    # minutes after which SLURM ends a job
    timeout_min: int = 60

    # seconds before that at which a job is told, to save its state
    signal_delay_s: int = 90

    # cores that one job takes
    cpus_per_task: int | None = None

    # GPUs that one job takes
    gpus_per_node: int | None = None

    # memory that one job takes, in GB
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
