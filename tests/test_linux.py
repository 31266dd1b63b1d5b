"""What Linux tells of memory and processes."""

import os

from lightsweep.linux import memory_bytes, process_fields, told


def test_what_is_not_there_tells_nothing(tmp_path):
    assert told(str(tmp_path / "absent")) == told(str(tmp_path)) == ""
    assert memory_bytes("MemOfTheMoon") == []
    assert process_fields(2**22 + 1) == [], "no process has an id beyond the largest"


def test_memory_and_processes_are_told():
    assert 0 < memory_bytes("MemAvailable")[0] <= memory_bytes("MemTotal")[0]
    assert process_fields("self")[1] == str(os.getppid())
