"""What a run ran on: git commit, package versions, hardware."""

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from lightsweep.linux import told

_PACKAGES = ("lightsweep", "torch", "torchvision", "lightning", "hydra-core", "optuna", "tensorboard", "numpy")


def environment(device: torch.device) -> dict[str, Any]:
    """A description that JSON can hold."""
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "git": git_state(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "cpu": cpu_name(),
        "cpu_cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": device_name(device),
    }


def git_state() -> dict[str, Any] | None:
    """Commit of the folder that the command runs in, and whether files were changed since; None outside of git."""
    try:
        words = ["git", "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
        lines = subprocess.run(words, capture_output=True, text=True, check=True, timeout=10).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return None
    commit = next((line.split()[-1] for line in lines if line.startswith("# branch.oid ")), "(initial)")
    return None if commit == "(initial)" else {"commit": commit, "dirty": any(line[0] != "#" for line in lines)}


def cpu_name() -> str:
    """The processor's name as Linux tells it, else the platform's word."""
    lines = told("/proc/cpuinfo").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def device_name(device: torch.device) -> str:
    """Name of a device, such as `NVIDIA H200` or the processor's."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} ({cpu_name()})"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
