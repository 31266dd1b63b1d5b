"""What forks of one process read once; the launcher's jobs are tested with the launcher."""

import errno
import os
import signal
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from lightsweep.data import shared

FORK = get_context("fork")


@pytest.fixture
def files(monkeypatch):
    """As a warm server makes them, of which this process has none."""
    if not hasattr(os, "memfd_create"):
        pytest.skip("anonymous files are Linux's")
    made: list[int] = []
    monkeypatch.setattr(shared, "_files", made)
    shared.share_with_forks()
    yield made
    for file in made:
        os.close(file)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "numbers"
    path.write_bytes(bytes(range(12)))
    return path


def numbers(source: Path, kind: str = "numbers") -> np.ndarray:
    """The file's bytes; each reading leaves a mark beside it."""

    def read() -> np.ndarray:
        with source.with_name("readings").open("a") as log:
            log.write(".")
        return np.frombuffer(source.read_bytes(), np.uint8).reshape(3, -1)

    return shared.read_once(kind, [source], read)


def readings(source: Path) -> int:
    return len(source.with_name("readings").read_text())


def forked(function, *args):
    """What a function gives in a fork, as a list."""
    with FORK.Pool(1) as pool:
        return pool.apply(function, args)


def test_a_process_that_shares_nothing_reads_each_time(source):
    assert numbers(source).tolist() == numbers(source).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert readings(source) == 2


@pytest.mark.usefixtures("files")
def test_forks_read_once_and_find_the_same(source):
    found = [forked(numbers, source) for _ in range(3)]

    for array in found:
        assert (array.dtype, array.tolist()) == (np.uint8, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]])
    assert readings(source) == 1


@pytest.mark.usefixtures("files")
def test_forks_that_begin_together_read_once(source):
    with FORK.Pool(4) as pool:
        found = pool.map(numbers, [source] * 16, chunksize=1)

    assert all(array.sum() == 66 for array in found)
    assert readings(source) == 1


def sum_of(kind_and_source: tuple[int, Path]) -> tuple[int, int]:
    """An array of a kind's own size, full of its number."""
    kind, source = kind_and_source
    array = shared.read_once(str(kind), [source], lambda: np.full(100_000 * (kind + 1), kind, np.uint8))
    return kind, int(array.sum())


@pytest.mark.usefixtures("files")
def test_forks_that_begin_together_with_different_things_find_their_own(source):
    wanted = [(index % 6, source) for index in range(60)]

    with FORK.Pool(6) as pool:
        found = pool.map(sum_of, wanted, chunksize=1)

    assert found == [(kind, 100_000 * (kind + 1) * kind) for kind, _ in wanted]


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("change", ["content", "kind", "place"])
def test_what_is_not_the_same_is_read_anew(source, change):
    forked(numbers, source)
    kind = "numbers"
    if change == "content":
        source.write_bytes(bytes(range(1, 13)))
    elif change == "kind":
        kind = "other numbers"
    else:
        source = source.rename(source.with_name("moved"))

    found = forked(numbers, source, kind)

    assert found.sum() == (78 if change == "content" else 66)
    assert readings(source) == 2


def overwritten(source: Path) -> int:
    array = numbers(source)
    array[:] = 7
    return int(array.sum())


@pytest.mark.usefixtures("files")
def test_a_fork_that_writes_writes_its_own_copy(source):
    assert forked(overwritten, source) == 84
    assert forked(overwritten, source) == 84
    assert forked(numbers, source).sum() == 66
    assert readings(source) == 1


def killed_while_reading(source: Path) -> None:
    shared.read_once("numbers", [source], lambda: os.kill(os.getpid(), signal.SIGKILL))


@pytest.mark.usefixtures("files")
def test_a_fork_that_is_killed_while_it_reads_holds_nobody_up(source):
    process = FORK.Process(target=killed_while_reading, args=(source,))
    process.start()
    process.join(10)

    assert process.exitcode == -signal.SIGKILL
    assert forked(numbers, source).sum() == 66


def failing(source: Path) -> str:
    def read() -> np.ndarray:
        raise ValueError("damaged")

    try:
        shared.read_once("numbers", [source], read)
    except ValueError as error:
        return str(error)
    return "read"


@pytest.mark.usefixtures("files")
def test_each_fork_meets_the_error_itself(source):
    assert [forked(failing, source), forked(failing, source)] == ["damaged", "damaged"]
    assert forked(numbers, source).sum() == 66


def read_together(source: Path, together, told) -> None:
    def read() -> np.ndarray:
        together.wait(20)  # until the other one reads too
        return np.zeros(12, np.uint8)

    told.put(shared.read_once("numbers", [source], read).size)


@pytest.mark.usefixtures("files")
def test_what_is_too_large_is_not_kept_and_nobody_waits_for_it(source, monkeypatch):
    monkeypatch.setattr(shared, "room", lambda device: 40)
    assert forked(numbers, source).sum() == 66

    together, told = FORK.Barrier(2), FORK.SimpleQueue()
    processes = [FORK.Process(target=read_together, args=(source, together, told)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)

    assert [process.exitcode for process in processes] == [0, 0]
    assert [told.get(), told.get()] == [12, 12]


def test_where_all_is_taken_each_reads_for_itself(source, files):
    for index in range(len(files)):
        forked(numbers, source, f"kind {index}")
    before = readings(source)

    assert [forked(numbers, source, "one more").sum() for _ in range(2)] == [66, 66]
    assert readings(source) == before + 2
    assert forked(numbers, source, "kind 0").sum() == 66
    assert readings(source) == before + 2


@pytest.mark.usefixtures("files")
def test_where_no_file_may_be_that_large_each_reads_for_itself(source, monkeypatch):
    def refuse(file: int, size: int) -> None:
        raise OSError(errno.EFBIG, "File too large")

    monkeypatch.setattr("os.ftruncate", refuse)
    assert [forked(numbers, source).sum() for _ in range(2)] == [66, 66]
    assert readings(source) == 2


def test_nothing_is_shared_where_proc_is_not_mounted(monkeypatch, tmp_path):
    monkeypatch.setattr(shared, "_files", [])
    monkeypatch.setattr(shared, "_OPEN_FILES", str(tmp_path / "none"))
    shared.share_with_forks()
    assert shared._files == []
