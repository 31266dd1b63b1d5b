"""Looking at processes from outside, for the tests that kill some."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

DEADLINE_S = 30.0


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def marked(mark: str) -> list[int]:
    """The live processes whose environment at their start held `mark`."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if (
                folder.name.isdigit()
                and mark.encode() in (folder / "environ").read_bytes()
                and is_alive(int(folder.name))
            ):
                found.append(int(folder.name))
        except (OSError, ProcessLookupError):  # it has ended meanwhile, or is another user's
            continue
    return found


def wait_until_dead(pids: Callable[[], Iterable[int]]) -> None:
    end = time.monotonic() + DEADLINE_S
    while alive := [pid for pid in pids() if is_alive(pid)]:
        if time.monotonic() > end:
            raise TimeoutError(f"processes {alive} are still alive")
        time.sleep(0.02)
