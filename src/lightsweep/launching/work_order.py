"""What a forked worker is told: the job's function, and the state of the launching process to take over.

A fork of the warm server knows neither the environment nor the arguments of the process that asks for it.
"""

import os
import sys
from dataclasses import dataclass
from typing import Any

from lightsweep.launching.slots import Slot

SECRET = "LIGHTSWEEP_SECRET"
"""Environment variable with what jobs must know and no file may hold; handed to them with the environment."""

SLOT = "LIGHTSWEEP_SLOT"
"""Environment variable that tells a job the number of its slot."""

NUM_SLOTS = "LIGHTSWEEP_NUM_SLOTS"
"""Environment variable that tells a job how many slots there are: with several, others run beside it."""


@dataclass(frozen=True)
class MainModule:
    """Enough of the program's `__main__` for libraries that start it again (Lightning's DDP launcher, spawn)."""

    file: str | None
    spec_name: str | None

    @classmethod
    def current(cls) -> "MainModule":
        """The main module of this process."""
        main = sys.modules["__main__"]
        spec = getattr(main, "__spec__", None)
        return cls(file=getattr(main, "__file__", None), spec_name=None if spec is None else spec.name)


@dataclass(frozen=True)
class WorkOrder:
    """One job for one worker.

    Args:
        function: a callable, pickled with cloudpickle.
        args: its arguments; plain values.
        num_threads: CPU threads for each process of the job.
    """

    function: bytes
    args: tuple[Any, ...]
    environ: dict[str, str]
    argv: list[str]
    path: list[str]
    folder: str
    main: MainModule
    num_threads: int

    @classmethod
    def for_slot(cls, slot: Slot, num_slots: int, function: bytes, args: tuple[Any, ...]) -> "WorkOrder":
        """An order to run `function(*args)` in `slot`, one of `num_slots`, in surroundings like those of this process.

        An OMP_NUM_THREADS that the user has set counts for more than the slot's share of the cores.
        """
        chosen = os.environ.get("OMP_NUM_THREADS", "")
        num_threads = (int(chosen) if chosen.isdecimal() else 0) or slot.num_threads
        given = {"OMP_NUM_THREADS": str(num_threads), SLOT: str(slot.number), NUM_SLOTS: str(num_slots)}
        environ = {**os.environ, **given}
        if slot.visible_devices is not None:
            environ["CUDA_VISIBLE_DEVICES"] = slot.visible_devices
        return cls(
            function=function,
            args=args,
            environ=environ,
            argv=list(sys.argv),
            path=list(sys.path),
            folder=os.getcwd(),
            main=MainModule.current(),
            num_threads=num_threads,
        )
