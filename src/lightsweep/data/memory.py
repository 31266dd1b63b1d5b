"""How much memory a split may take on a device."""

import torch

from lightsweep.linux import memory_bytes, told

SHARE = 0.5
"""Of what is free now; activations, the optimizer and other processes have the rest."""


def room(device: torch.device) -> int:
    """Bytes that a split may take: on a GPU by what CUDA says is free, elsewhere by what Linux says is available.

    Where the system does not tell, there is no limit. Source: Linux, Control Group v2, "Memory Interface Files".
    """
    if device.type == "cuda":
        return int(SHARE * torch.cuda.mem_get_info(device)[0])
    free = memory_bytes("MemAvailable")
    limit, used, parts = (told(f"/sys/fs/cgroup/memory.{name}").split() for name in ("max", "current", "stat"))
    if limit and used and limit[0].isdigit():
        # in use are also the pages of files that were read, which the kernel gives back where memory is asked for
        pages = int(dict(zip(parts[::2], parts[1::2], strict=False)).get("inactive_file", 0))
        free.append(int(limit[0]) - int(used[0]) + pages)
    return int(SHARE * min(free)) if free else 2**63
