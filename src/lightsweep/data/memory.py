"""How much memory a split may take on a device."""

import torch

from lightsweep.linux import memory_bytes, told

SHARE = 0.5
"""Of what is free now; activations, the optimizer and other processes have the rest."""


def room(device: torch.device) -> int:
    """Bytes that a split may take: on a GPU by what CUDA says is free, elsewhere by what Linux says is available.

    Where the system does not tell, there is no limit.
    """
    if device.type == "cuda":
        return int(SHARE * torch.cuda.mem_get_info(device)[0])
    free = memory_bytes("MemAvailable")
    limit, used = (told(f"/sys/fs/cgroup/memory.{name}").strip() for name in ("max", "current"))
    if limit.isdigit() and used:
        free.append(int(limit) - int(used))
    return int(SHARE * min(free)) if free else 2**63
