"""How much memory a split may take on a device."""

from pathlib import Path

import torch

SHARE = 0.5
"""Of what is free now; activations, the optimizer and other processes have the rest."""


def room(device: torch.device) -> int:
    """Bytes that a split may take: on a GPU by what CUDA says is free, elsewhere by what Linux says is available.

    Where the system does not tell, there is no limit.
    """
    if device.type == "cuda":
        return int(SHARE * torch.cuda.mem_get_info(device)[0])
    free = [
        int(line.split()[1]) * 1024 for line in _lines("/proc/meminfo") if line.startswith("MemAvailable:")
    ]  # in KiB
    limit, used = _lines("/sys/fs/cgroup/memory.max"), _lines("/sys/fs/cgroup/memory.current")
    if limit and used and limit[0].isdigit():
        free.append(int(limit[0]) - int(used[0]))
    return int(SHARE * min(free)) if free else 2**63


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().split("\n") if file.is_file() else []
