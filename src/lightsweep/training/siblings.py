"""What happens to the other processes of a run when one of them dies: they end, and say which one and why.

A process that waits for a dead one inside a collective operation cannot be reached from Python, so a thread watches.
The first process looks after those that it started; the others look whether the process that started them is still
there. Ranks that a cluster's own launcher started (torchrun, srun) are that launcher's to end.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from subprocess import Popen

import torch
from lightning.pytorch import Trainer

from lightsweep.errors import LightsweepError, RankDied
from lightsweep.files import write_text
from lightsweep.paths import RunPaths
from lightsweep.process_state import stop_lightnings_watch

POLL_S = 0.5
GRACE_S = 10.0
"""What a process gets to end by itself after a death, as it does when all stop for one reason."""
STARTED_BY = "LIGHTSWEEP_STARTED_BY"
"""Environment variable by which a process learns who started it, who may be dead before it can look."""
SETTLE_S = 5.0
"""How long a lost connection's other end may take to be seen dead."""


class Siblings:
    """Watches the processes of a run from within one of them.

    Args:
        trainer: knows them.
        paths: where a process leaves its reason for the first.
    """

    def __init__(self, trainer: Trainer, paths: RunPaths) -> None:
        self._trainer, self._paths = trainer, paths
        self._starts = trainer.local_rank == 0
        self._parent = os.getppid() if self._starts else int(os.environ.get(STARTED_BY, os.getppid()))
        self._ended = threading.Event()
        if trainer.is_global_zero:
            for rank in range(1, trainer.world_size):
                paths.rank_error(rank).unlink(missing_ok=True)

    @contextmanager
    def watched(self, bury: Callable[[RankDied], None]) -> Iterator[None]:
        """Watch within a block; where its main thread does not end after a death, `bury` is called and all end.

        Raises:
            RankDied: the block lost its connection to a process that died.
        """
        if self._trainer.world_size > 1:
            if self._starts:
                os.environ[STARTED_BY] = str(os.getpid())
            threading.Thread(target=self._watch, args=(bury,), name="siblings", daemon=True).start()
        try:
            yield
        except LightsweepError as error:
            self._leave_reason(str(error))
            raise
        except Exception as error:
            self._leave_reason(f"{type(error).__name__}: {error}")
            death = self._death(SETTLE_S) if _lost_connection(error) else None
            if death is None:
                raise
            raise death from error
        finally:
            self._ended.set()
            os.environ.pop(STARTED_BY, None)

    def _leave_reason(self, reason: str) -> None:
        """Tell the first process why this one ends; a folder that takes no word does not hide the reason itself."""
        if self._trainer.global_rank != 0 and self._paths.folder.is_dir():
            with suppress(OSError):
                write_text(self._paths.rank_error(self._trainer.global_rank), reason)

    def _death(self, wait_s: float = 0.0) -> RankDied | None:
        """The first death among the processes that this one started; waits for it a little."""
        end = time.monotonic() + wait_s
        while True:
            for rank, process in enumerate(self._children(), 1):
                if process.poll():
                    return RankDied(rank, process.returncode, self._reason_of(rank))
            if not self._children() or time.monotonic() >= end:
                return None
            time.sleep(0.1)

    def _watch(self, bury: Callable[[RankDied], None]) -> None:
        while not self._ended.wait(POLL_S):
            if os.getppid() != self._parent:
                self._end_with(f"rank {self._trainer.global_rank} ends: the process that started it died")
            stop_lightnings_watch()
            death = self._death()
            if death is not None and not self._ended.wait(GRACE_S):
                for process in self._children():
                    process.send_signal(signal.SIGKILL)
                bury(death)
                self._end_with(str(death))

    def _end_with(self, line: str) -> None:
        print(f"error: {line}", file=sys.stderr, flush=True)
        os._exit(RankDied.exit_code)

    def _children(self) -> list[Popen]:
        return getattr(self._trainer.strategy.launcher, "procs", None) or []

    def _reason_of(self, rank: int) -> str | None:
        path = self._paths.rank_error(rank)
        return path.read_text(encoding="utf-8") if path.is_file() else None


def _lost_connection(error: Exception) -> bool:
    """Whether a collective operation failed: NCCL says so by type, gloo in words."""
    return isinstance(error, torch.distributed.DistError) or (
        isinstance(error, RuntimeError) and ("gloo" in str(error).lower() or "by peer" in str(error))
    )
