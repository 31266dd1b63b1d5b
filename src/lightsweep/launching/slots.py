"""Slots: the shares of the machine that jobs run in, one job at a time in each.

`plan_slots` turns the user's settings and a machine into slots, or says in one line why it cannot.
"""

from dataclasses import dataclass
from typing import Any

from lightsweep.errors import ConfigError
from lightsweep.launching.machine import Gpu, Machine

AUTO_WORKER_GIB = 1.0
"""Memory that `num_workers=null` allows for each CPU worker."""

LEAST_WORKER_GIB = 0.06
"""What a worker holds for itself after one epoch of a linear model (67 MB of 472 MB resident; the rest is shared)."""

LEAST_CONTEXT_GIB = 0.3
"""What a CUDA context takes before the first tensor."""


@dataclass(frozen=True)
class SlotSettings:
    """The user's settings, under `hydra.launcher`.

    Args:
        gpus: "all" that are visible, None or "none" for CPU workers, or a list of indices into the visible ones.
        slots_per_gpu: jobs at a time on each GPU, at least 1.
        num_workers: CPU workers when no GPU is used, at least 1; None for one a core as far as memory reaches.
        devices_per_job: GPUs (or CPU workers) that one job takes, for jobs that train on several with DDP.
    """

    gpus: Any = "all"
    slots_per_gpu: int = 1
    num_workers: int | None = None
    devices_per_job: int = 1


@dataclass(frozen=True)
class Slot:
    """One share of the machine.

    Args:
        number: 0 for the first slot.
        gpus: indices of its GPUs among the visible ones; empty for a CPU slot.
        share: its number among the slots of the same GPUs.
        visible_devices: CUDA_VISIBLE_DEVICES for its jobs; None leaves the variable as it is.
        num_threads: CPU threads for each process of a job.
    """

    number: int
    gpus: tuple[int, ...]
    share: int
    visible_devices: str | None
    num_threads: int

    @property
    def name(self) -> str:
        """As in "gpu 0 slot 1" or "cpu slot 3"."""
        devices = f"gpu {'+'.join(map(str, self.gpus))}" if self.gpus else "cpu"
        return f"{devices} slot {self.share}"


def plan_slots(settings: SlotSettings, machine: Machine, num_jobs: int | None = None) -> list[Slot]:
    """Cut the machine into slots.

    Args:
        num_jobs: how many jobs there are, so that an unset `num_workers` wastes no core on workers without a job;
            None if that is not known.

    Raises:
        ConfigError: a setting is impossible on this machine.
    """
    _check_at_least_one("slots_per_gpu", settings.slots_per_gpu)
    _check_at_least_one("devices_per_job", settings.devices_per_job)
    if settings.num_workers is not None:
        _check_at_least_one("num_workers", settings.num_workers)
    indices = _gpu_indices(settings.gpus, machine.gpus)
    if indices:
        return _gpu_slots(settings, machine, indices)
    return _cpu_slots(settings, machine, num_jobs, hide_gpus=bool(machine.gpus))


def _check_at_least_one(name: str, value: int) -> None:
    if value < 1:
        raise ConfigError(f"`hydra.launcher.{name}` must be at least 1 but got {value}")


def _gpu_indices(wanted: Any, gpus: tuple[Gpu, ...]) -> list[int]:
    """The indices that `gpus` asks for; empty for CPU workers."""
    if wanted is None or wanted == "none":
        return []
    if wanted == "all":
        return list(range(len(gpus)))
    if not isinstance(wanted, list | tuple) or not wanted or any(type(index) is not int for index in wanted):
        raise ConfigError(
            f"`hydra.launcher.gpus` must be all, null (CPU workers) or a list of indices like [0,1] but got {wanted!r}"
        )
    for index in wanted:
        if not 0 <= index < len(gpus):
            there = f"there are {', '.join(map(str, range(len(gpus))))}" if gpus else "no GPU is visible"
            raise ConfigError(f"`hydra.launcher.gpus` names GPU {index}, which is not there: {there}")
        if wanted.count(index) > 1:
            raise ConfigError(
                f"`hydra.launcher.gpus` names GPU {index} twice; for more jobs on a GPU set slots_per_gpu"
            )
    return list(wanted)


def _gpu_slots(settings: SlotSettings, machine: Machine, indices: list[int]) -> list[Slot]:
    """Slots on GPUs, the first share of every GPU before the second of any, so that few jobs spread out."""
    size = settings.devices_per_job
    if len(indices) % size != 0:
        raise ConfigError(
            f"`hydra.launcher.devices_per_job` must divide the number of GPUs but got {size} for {len(indices)}; "
            "choose some with hydra.launcher.gpus"
        )
    for index in indices:
        _check_gpu_memory(index, machine.gpus[index], settings.slots_per_gpu)
    groups = [tuple(indices[start : start + size]) for start in range(0, len(indices), size)]
    num_threads = max(1, machine.num_cores // (len(indices) * settings.slots_per_gpu))
    places = [(group, share) for share in range(settings.slots_per_gpu) for group in groups]
    return [
        Slot(number, group, share, ",".join(machine.gpus[index].device for index in group), num_threads)
        for number, (group, share) in enumerate(places)
    ]


def _check_gpu_memory(index: int, gpu: Gpu, slots_per_gpu: int) -> None:
    if gpu.memory_gib is not None and slots_per_gpu * LEAST_CONTEXT_GIB > gpu.memory_gib:
        raise ConfigError(
            f"`hydra.launcher.slots_per_gpu` must be at most {int(gpu.memory_gib / LEAST_CONTEXT_GIB)} on GPU {index} "
            f"({gpu.memory_gib:.0f} GiB, {LEAST_CONTEXT_GIB} GiB for an empty CUDA context) but got {slots_per_gpu}"
        )


def _cpu_slots(settings: SlotSettings, machine: Machine, num_jobs: int | None, hide_gpus: bool) -> list[Slot]:
    """Slots on the CPU; where there are GPUs that the user did not want, they are hidden from the jobs."""
    size = settings.devices_per_job
    if settings.num_workers is None:
        num_slots = _auto_slots(size, machine, num_jobs)
    else:
        num_slots = _chosen_slots(size, machine, settings.num_workers)
    num_threads = max(1, machine.num_cores // (num_slots * size))
    return [Slot(number, (), number, "" if hide_gpus else None, num_threads) for number in range(num_slots)]


def _auto_slots(size: int, machine: Machine, num_jobs: int | None) -> int:
    num_workers = machine.num_cores
    if machine.memory_gib is not None:
        num_workers = min(num_workers, int(machine.memory_gib / AUTO_WORKER_GIB))
    num_slots = max(1, num_workers // size)
    return num_slots if num_jobs is None else max(1, min(num_slots, num_jobs))


def _chosen_slots(size: int, machine: Machine, num_workers: int) -> int:
    if num_workers % size != 0:
        raise ConfigError(
            f"`hydra.launcher.devices_per_job` must divide num_workers but got {size} for {num_workers} workers"
        )
    if machine.memory_gib is not None and num_workers * LEAST_WORKER_GIB > machine.memory_gib:
        raise ConfigError(
            f"`hydra.launcher.num_workers` must be at most {int(machine.memory_gib / LEAST_WORKER_GIB)} "
            f"({machine.memory_gib:.1f} GiB of memory, {LEAST_WORKER_GIB} GiB a worker) but got {num_workers}"
        )
    return num_workers // size
