import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from lightsweep.launching import Job, JobEvent, Machine, Outcome, Pool, SlotSettings, plan_slots
from lightsweep.launching.machine import Gpu, find_gpus

sys.path.insert(0, str(Path(__file__).parent))  # job_functions, here and in the workers


@pytest.fixture
def run() -> Callable[..., list[Outcome]]:
    """Runs calls `(function, *arguments)` as jobs 0, 1, … in a pool without anything preloaded."""

    def _run(
        *calls: tuple[Any, ...],
        num_slots: int = 2,
        fake_gpus: int = 0,
        real_gpus: bool = False,
        slots_per_gpu: int = 1,
        devices_per_job: int = 1,
        preload: tuple[str, ...] = (),
        on_event: Callable[[JobEvent], None] = lambda _: None,
        is_last: Callable[[Outcome], bool] = lambda _: False,
    ) -> list[Outcome]:
        gpus = find_gpus(os.environ) if real_gpus else tuple(Gpu(str(index)) for index in range(fake_gpus))
        machine = Machine(gpus=gpus, num_cores=2, memory_gib=None)
        settings = SlotSettings(
            slots_per_gpu=slots_per_gpu,
            num_workers=None if gpus else num_slots,
            devices_per_job=devices_per_job,
        )
        jobs = [
            Job(number, cloudpickle.dumps(call[0]), call[1:], label=f"call={number}")
            for number, call in enumerate(calls)
        ]
        return Pool(plan_slots(settings, machine), preload, on_event=on_event, is_last=is_last).run(jobs)

    return _run
