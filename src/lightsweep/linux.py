"""What Linux tells in files under /proc and /sys; other systems have none of these, and some containers not all."""

from pathlib import Path


def told(path: str) -> str:
    """A file's text; empty where there is no such file."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def memory_bytes(name: str) -> list[int]:
    """What a line of /proc/meminfo says, such as `MemTotal` or `MemAvailable`; empty where there is none."""
    lines = [line for line in told("/proc/meminfo").splitlines() if line.startswith(f"{name}:")]
    return [int(line.split()[1]) * 1024 for line in lines]


def process_fields(pid: int | str) -> list[str]:
    """What /proc/<pid>/stat says behind a process's name: its state, …, the 20th is its start; empty of no process.

    Source: proc(5).
    """
    return told(f"/proc/{pid}/stat").rpartition(")")[2].split()  # a name may hold blanks and brackets
