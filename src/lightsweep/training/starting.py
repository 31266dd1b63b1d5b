"""Whether a run's processes can be started here: how many of them, and who starts or has started the others."""

import os
from collections.abc import Mapping

from lightning.fabric.plugins.environments import ClusterEnvironment, LightningEnvironment
from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_only

from lightsweep.errors import ConfigError
from lightsweep.screen import many

FEW = 8
"""Processes that any machine takes; more are refused only beyond twice its cores."""

_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")
"""Where Lightning looks, in this order, for which one of several processes it is in."""


def refuse_unstartable(trainer: Trainer, environ: Mapping[str, str] = os.environ) -> None:
    """Raise ConfigError where a run's processes would take the machine down, or wait for others that nobody starts.

    Processes that torchrun or srun started are there already. One of them that is not the first cannot have a run of
    its own: Lightning lets the first alone write, and its result would be lost.
    """
    rank = getattr(rank_zero_only, "rank", 0)
    if trainer.world_size == 1 and rank != 0:
        variables = ", ".join(name for name in _RANKS if name in environ)
        raise ConfigError(
            f"this process is number {rank} of several, by {variables}, and the first alone writes results, but "
            "`trainer.devices` asks for one: give trainer=ddp and trainer.devices, or, for a run of its own, unset "
            f"{variables}"
        )
    environment: ClusterEnvironment | None = getattr(trainer.strategy, "cluster_environment", None)
    if environment is None or environment.creates_processes_externally:
        return
    if trainer.strategy.root_device.type == "cpu" and trainer.num_devices > FEW:
        from lightsweep.launching.machine import count_cores

        cores = count_cores()
        if trainer.num_devices > max(FEW, 2 * cores):
            raise ConfigError(
                f"`trainer.devices` must be at most {max(FEW, 2 * cores)} processes on this machine's "
                f"{many(cores, 'core')} but got {trainer.num_devices}"
            )
    by_hand = {"MASTER_ADDR", "NODE_RANK", "GROUP_RANK"}
    if trainer.num_nodes > 1 and isinstance(environment, LightningEnvironment) and by_hand.isdisjoint(environ):
        raise ConfigError(
            f"`trainer.num_nodes={trainer.num_nodes}` needs the command to be started on each machine by torchrun or "
            "srun, or with MASTER_ADDR, MASTER_PORT and NODE_RANK: see docs/scale-out.md, DDP"
        )
