from typing import Any

import pytest

from lightsweep.errors import ConfigError
from lightsweep.launching import Machine, SlotSettings, plan_slots
from lightsweep.launching.machine import Gpu


def machine(num_gpus: int = 0, num_cores: int = 8, memory_gib: float | None = 64.0, gpu_gib: float = 80.0) -> Machine:
    return Machine(tuple(Gpu(str(4 + index), gpu_gib) for index in range(num_gpus)), num_cores, memory_gib)


def test_every_gpu_has_its_slots_and_the_first_jobs_spread_over_the_gpus() -> None:
    slots = plan_slots(SlotSettings(slots_per_gpu=2), machine(num_gpus=2))
    assert [slot.name for slot in slots] == ["gpu 0 slot 0", "gpu 1 slot 0", "gpu 0 slot 1", "gpu 1 slot 1"]
    assert [slot.visible_devices for slot in slots] == ["4", "5", "4", "5"]
    assert [slot.number for slot in slots] == [0, 1, 2, 3]


def test_cores_are_divided_among_the_slots() -> None:
    assert {slot.num_threads for slot in plan_slots(SlotSettings(slots_per_gpu=2), machine(num_gpus=2))} == {2}
    assert {slot.num_threads for slot in plan_slots(SlotSettings(num_workers=3), machine())} == {2}
    assert {slot.num_threads for slot in plan_slots(SlotSettings(num_workers=20), machine())} == {1}


def test_gpus_are_chosen_by_index_among_the_visible() -> None:
    slots = plan_slots(SlotSettings(gpus=[3, 1]), machine(num_gpus=4))
    assert [(slot.gpus, slot.visible_devices) for slot in slots] == [((3,), "7"), ((1,), "5")]


@pytest.mark.parametrize("gpus", [None, "none"])
def test_without_gpus_there_are_cpu_workers_that_see_no_gpu(gpus: Any) -> None:
    slots = plan_slots(SlotSettings(gpus=gpus, num_workers=2), machine(num_gpus=1))
    assert [(slot.name, slot.visible_devices) for slot in slots] == [("cpu slot 0", ""), ("cpu slot 1", "")]


def test_all_gpus_of_a_machine_without_any_means_cpu_workers() -> None:
    assert [slot.name for slot in plan_slots(SlotSettings(num_workers=1), machine())] == ["cpu slot 0"]


def test_an_unset_number_of_workers_is_one_a_core_within_memory_and_jobs() -> None:
    assert len(plan_slots(SlotSettings(), machine())) == 8
    assert len(plan_slots(SlotSettings(), machine(memory_gib=3.5))) == 3
    assert len(plan_slots(SlotSettings(), machine(memory_gib=0.5))) == 1
    few = plan_slots(SlotSettings(), machine(), num_jobs=2)
    assert [slot.num_threads for slot in few] == [4, 4]
    assert len(plan_slots(SlotSettings(), machine(), num_jobs=0)) == 1


def test_a_job_of_several_devices_takes_that_many() -> None:
    slots = plan_slots(SlotSettings(devices_per_job=2), machine(num_gpus=4))
    assert [(slot.name, slot.visible_devices) for slot in slots] == [
        ("gpu 0+1 slot 0", "4,5"),
        ("gpu 2+3 slot 0", "6,7"),
    ]
    on_cpu = plan_slots(SlotSettings(num_workers=4, devices_per_job=2), machine())
    assert [slot.num_threads for slot in on_cpu] == [2, 2]


@pytest.mark.parametrize(
    ("settings", "num_gpus", "text"),
    [
        ({"slots_per_gpu": 0}, 1, r"`hydra.launcher.slots_per_gpu` must be at least 1 but got 0"),
        ({"num_workers": 0}, 0, r"`hydra.launcher.num_workers` must be at least 1 but got 0"),
        ({"devices_per_job": -1}, 0, r"`hydra.launcher.devices_per_job` must be at least 1 but got -1"),
        ({"gpus": [0, 2]}, 2, r"`hydra.launcher.gpus` names GPU 2, which is not there: there are 0, 1"),
        ({"gpus": [-1]}, 2, r"names GPU -1, which is not there"),
        ({"gpus": [0]}, 0, r"`hydra.launcher.gpus` names GPU 0, which is not there: no GPU is visible"),
        ({"gpus": [1, 1]}, 2, r"names GPU 1 twice; for more jobs on a GPU set slots_per_gpu"),
        ({"gpus": 2}, 2, r"must be all, null \(CPU workers\) or a list of indices like \[0,1\] but got 2"),
        ({"gpus": []}, 2, r"but got \[\]"),
        ({"gpus": [True]}, 2, r"but got \[True\]"),
        ({"gpus": "0,1"}, 2, r"but got '0,1'"),
        ({"devices_per_job": 2}, 3, r"must divide the number of GPUs but got 2 for 3"),
        ({"num_workers": 3, "devices_per_job": 2}, 0, r"must divide num_workers but got 2 for 3 workers"),
        ({"slots_per_gpu": 500}, 1, r"`hydra.launcher.slots_per_gpu` must be at most 266 on GPU 0 \(80 GiB"),
        ({"num_workers": 2000}, 0, r"`hydra.launcher.num_workers` must be at most 1066 \(64.0 GiB of memory"),
    ],
)
def test_impossible_settings_are_refused_in_one_line(settings: dict[str, Any], num_gpus: int, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        plan_slots(SlotSettings(**settings), machine(num_gpus=num_gpus))
    assert "\n" not in str(caught.value)


def test_memory_that_is_not_known_refuses_nothing() -> None:
    unknown = Machine((Gpu("0"),), num_cores=2, memory_gib=None)
    assert len(plan_slots(SlotSettings(slots_per_gpu=500), unknown)) == 500
    assert len(plan_slots(SlotSettings(gpus=None, num_workers=500), unknown)) == 500
