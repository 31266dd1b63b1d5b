"""What this machine has for jobs: GPUs, CPU cores, memory. Asks NVML and the kernel, never CUDA itself.

CUDA must stay uninitialised in a process that forks, so nothing here imports torch.
"""

import ctypes
import os
from collections.abc import Mapping
from dataclasses import dataclass

from lightsweep.errors import ConfigError
from lightsweep.linux import memory_bytes, told

FAKE_GPUS = "LIGHTSWEEP_FAKE_GPUS"
"""Environment variable for tests: a number of pretended GPUs, used instead of asking NVML."""

_GIB = 1024**3
_NVML_DRIVER_NOT_LOADED = 9


@dataclass(frozen=True)
class Gpu:
    """One GPU that this process may use.

    Args:
        device: its name for CUDA_VISIBLE_DEVICES: an index, or a UUID where the user gave UUIDs.
        memory_gib: its whole memory in GiB, or None where that is not known.
    """

    device: str
    memory_gib: float | None = None


@dataclass(frozen=True)
class Machine:
    """The resources that slots are cut from; `gpus[i]` is what CUDA calls device i in this process."""

    gpus: tuple[Gpu, ...]
    num_cores: int
    memory_gib: float | None

    @classmethod
    def look(cls) -> "Machine":
        """This machine, as far as this process may use it."""
        return cls(gpus=find_gpus(os.environ), num_cores=count_cores(), memory_gib=find_memory_gib())


def find_gpus(environ: Mapping[str, str]) -> tuple[Gpu, ...]:
    """The GPUs that CUDA would see under `environ`, in CUDA's order; none without an NVIDIA driver."""
    if FAKE_GPUS in environ:
        memory: list[float | None] = [None] * int(environ[FAKE_GPUS])
    else:
        memory = [*_nvml_memory_gib()]
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return tuple(Gpu(str(index), gib) for index, gib in enumerate(memory))
    return tuple(_visible_gpus(visible, memory))


def _visible_gpus(visible: str, memory: list[float | None]) -> list[Gpu]:
    """Read CUDA_VISIBLE_DEVICES as CUDA does: the first entry that names no device ends the list."""
    gpus = []
    for entry in (part.strip() for part in visible.split(",")):
        if entry.startswith(("GPU-", "MIG-")) and memory:
            gpus.append(Gpu(entry))
        elif entry.isdigit() and int(entry) < len(memory):
            gpus.append(Gpu(entry, memory[int(entry)]))
        else:
            break
    return gpus


class _NvmlMemory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def _nvml_memory_gib() -> list[float]:
    """The memory of every GPU of the machine, in GiB and in NVML's order (developer.nvidia.com, NVML API)."""
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return []
    code = nvml.nvmlInit_v2()
    if code == _NVML_DRIVER_NOT_LOADED:
        return []
    _check_nvml(nvml, code)
    try:
        count = ctypes.c_uint()
        _check_nvml(nvml, nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)))
        return [_device_memory_gib(nvml, index) for index in range(count.value)]
    finally:
        nvml.nvmlShutdown()


def _device_memory_gib(nvml: ctypes.CDLL, index: int) -> float:
    handle, memory = ctypes.c_void_p(), _NvmlMemory()
    _check_nvml(nvml, nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)))
    _check_nvml(nvml, nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)))
    return memory.total / _GIB


def _check_nvml(nvml: ctypes.CDLL, code: int) -> None:
    """A driver that is there but broken must not pass for a machine without GPUs."""
    if code != 0:
        nvml.nvmlErrorString.restype = ctypes.c_char_p
        reason = nvml.nvmlErrorString(code).decode()
        raise ConfigError(
            f"the NVIDIA driver does not answer: {reason} (NVML code {code}). "
            "Mend the driver, or set hydra.launcher.gpus=null for CPU workers"
        )


def count_cores() -> int:
    """The cores that this process may use: its affinity, and the quota of its container (cgroup v2)."""
    cores = len(os.sched_getaffinity(0))
    quota = told("/sys/fs/cgroup/cpu.max").split()
    if len(quota) == 2 and quota[0] != "max":
        cores = min(cores, max(1, int(quota[0]) // int(quota[1])))
    return cores


def find_memory_gib() -> float | None:
    """The machine's memory in GiB, or its container's limit (cgroup v2) where that is less; None if unknown."""
    known, limit = memory_bytes("MemTotal"), told("/sys/fs/cgroup/memory.max").strip()
    if limit.isdigit():
        known.append(int(limit))
    return min(known) / _GIB if known else None
