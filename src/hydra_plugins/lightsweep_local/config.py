"""The settings of `hydra/launcher=local`."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore


@dataclass
class LocalLauncherConf:
    """The settings under `hydra.launcher`; `lightsweep.launching.slots.SlotSettings` tells more of the first four."""

    _target_: str = "hydra_plugins.lightsweep_local.local_launcher.LocalLauncher"

    # all, null for CPU workers, or a list of indices such as [0,1]
    gpus: Any = "all"

    # jobs at a time on each GPU
    slots_per_gpu: int = 1

    # CPU workers when no GPU is used; null: one a core, as far as memory reaches
    num_workers: int | None = None

    # GPUs, or CPU workers, that one job takes; null: as many as trainer.devices where that is a number, else one
    devices_per_job: int | None = None

    # modules that are imported once for all jobs; those that are not installed are left out
    preload: list[str] = field(
        default_factory=lambda: [
            "torch",
            "torchvision",
            "lightning.pytorch",
            "optuna",
            "lightsweep.sweeping.job",
            "lightsweep.sweeping.pruning",
            "lightsweep.training.warm_run",
        ]
    )

    # seconds that jobs may take to end after Ctrl-C or SIGTERM, before they are killed
    grace_s: float = 10.0


ConfigStore.instance().store(group="hydra/launcher", name="local", node=LocalLauncherConf, provider="lightsweep_local")
