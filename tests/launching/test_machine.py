import os

import pytest

from lightsweep.launching.machine import Gpu, Machine, count_cores, find_gpus


def devices(**environ: str) -> list[str]:
    return [gpu.device for gpu in find_gpus({"LIGHTSWEEP_FAKE_GPUS": "4", **environ})]


def test_all_gpus_are_found_where_nothing_hides_them() -> None:
    assert devices() == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("2,0", ["2", "0"]),
        (" 1 , 3 ", ["1", "3"]),
        ("", []),
        ("-1", []),
        ("1,-1,2", ["1"]),
        ("0,4,1", ["0"]),
        ("GPU-8932f937,1", ["GPU-8932f937", "1"]),
        ("MIG-GPU-8932f937/1/0", ["MIG-GPU-8932f937/1/0"]),
    ],
)
def test_cuda_visible_devices_is_read_as_cuda_reads_it(visible: str, expected: list[str]) -> None:
    assert devices(CUDA_VISIBLE_DEVICES=visible) == expected


def test_no_device_is_visible_where_there_is_none() -> None:
    assert find_gpus({"LIGHTSWEEP_FAKE_GPUS": "0", "CUDA_VISIBLE_DEVICES": "0,GPU-8932f937"}) == ()


def test_looking_at_this_machine_finds_cores_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIGHTSWEEP_FAKE_GPUS", raising=False)
    machine = Machine.look()
    assert 1 <= machine.num_cores <= len(os.sched_getaffinity(0))
    assert machine.memory_gib is not None
    assert machine.memory_gib > 0
    assert all(isinstance(gpu, Gpu) for gpu in machine.gpus)


def test_a_process_bound_to_one_core_counts_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    assert count_cores() == 1
