"""The settings of `hydra/launcher=ray`."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore


@dataclass
class RayLauncherConf:
    """The settings under `hydra.launcher`; `lightsweep.launching.on_ray.RaySettings` tells more of the first five."""

    _target_: str = "hydra_plugins.lightsweep_ray.ray_launcher.RayLauncher"

    # null: Ray on this machine, for the time of the launch; auto, HOST:PORT or ray://HOST:PORT: a running cluster
    address: str | None = None

    # cores that one job takes
    num_cpus: float = 1

    # GPUs that one job takes, a part of one as 0.25; null: one where the cluster has any, else none
    num_gpus: float | None = None

    # custom resources that one job takes, by name
    resources: dict[str, float] = field(default_factory=dict)

    # further arguments of ray.init, such as num_cpus, num_gpus, runtime_env or object_store_memory
    init: dict[str, Any] = field(default_factory=dict)

    # how often a job is started again whose process or node was lost
    max_retries: int = 3

    # seconds that jobs may take to end after Ctrl-C or SIGTERM, before they are killed
    grace_s: float = 30.0


ConfigStore.instance().store(group="hydra/launcher", name="ray", node=RayLauncherConf, provider="lightsweep_ray")
