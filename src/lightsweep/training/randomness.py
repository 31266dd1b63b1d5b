"""The states of all random generators, as plain data that a checkpoint can hold."""

import random
from typing import Any

import numpy as np
import torch
from lightning.pytorch import seed_everything

from lightsweep.training.synchronizing import gathered


def random_state(device: torch.device) -> dict[str, Any]:
    """The states of torch's (CPU and, if it is a GPU, the device's), Python's and numpy's default generators."""
    version, words, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        # tensors, as torch.save asks about each number of a list, which took longer than all else of a small checkpoint
        "python": [version, torch.tensor(words), gauss],
        "numpy": [
            str(kind),
            torch.from_numpy(np.asarray(keys, dtype=np.int64)),
            int(position),
            int(has_gauss),
            float(cached),
        ],
    }


def random_states(device: torch.device, world_size: int) -> list[dict[str, Any]]:
    """The states of all processes by rank, which draw unequally often. They call this together."""
    return gathered(random_state(device), world_size)


def restore_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Put back what `random_state` gave, on a device that may be another; older runs have lists."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
    version, words, gauss = state["python"]
    random.setstate((version, tuple(torch.as_tensor(words).tolist()), gauss))
    kind, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, torch.as_tensor(keys).numpy().astype(np.uint32), position, has_gauss, cached))


def draw_apart(rank: int, steps: int) -> None:
    """Give a process but the first random numbers of its own: dropout's masks and shifts are each example's.

    Args:
        rank: the process's.
        steps: those made so far, from which a resumed run draws others than at its start.
    """
    if rank:
        seed_everything((torch.initial_seed() + 1_000_003 * rank + steps) % 2**32, workers=True, verbose=False)
