"""How much memory a split may take."""

import pytest
import torch

from lightsweep.data import memory


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({}, 500),
        ({"max": "max\n", "current": "900\n"}, 500),
        ({"max": "600\n", "current": "400\n"}, 100),
        ({"max": "600\n", "current": "400\n", "stat": "anon 100\ninactive_file 300\nactive_file 0\n"}, 250),
    ],
)
def test_room_is_half_of_what_is_free_also_within_a_containers_limit(monkeypatch, files, wanted):
    monkeypatch.setattr(memory, "memory_bytes", lambda name: [1000])
    monkeypatch.setattr(memory, "told", lambda path: files.get(path.removeprefix("/sys/fs/cgroup/memory."), ""))
    assert memory.room(torch.device("cpu")) == wanted
