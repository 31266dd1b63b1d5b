"""Processes that read a split: how they begin, what they are asked for, and what of one that dies."""

import multiprocessing
import os
import signal

import pytest
import torch

from lightsweep.data.spec import Arrays
from lightsweep.errors import DataError

SMALL = ("model=softmax_regression",)


def training_batches(datamodule):
    return [batch for chunk in datamodule.train_dataloader() for batch in chunk.batches]


def test_workers_are_asked_for_a_batch_at_once(initial, monkeypatch):
    datamodule, _ = initial(*SMALL, "data.loader=workers")
    asked, read = [], Arrays.__getitem__
    monkeypatch.setattr(Arrays, "__getitem__", lambda self, index: asked.append(index) or read(self, index))

    assert len(training_batches(datamodule)) == len(asked) == 11
    assert sorted(index for batch in asked for index in batch) == list(range(550))


def test_workers_are_forks_whatever_python_would_do(initial, monkeypatch):
    context = multiprocessing.context._default_context
    monkeypatch.setattr(context, "_actual_context", multiprocessing.get_context("forkserver"))  # as of Python 3.14
    datamodule, _ = initial(*SMALL, "data.loader=workers", "data.num_workers=1")
    asked, read = torch.zeros(1).share_memory_(), Arrays.__getitem__
    monkeypatch.setattr(Arrays, "__getitem__", lambda self, index: asked.add_(1) and read(self, index))

    assert len(training_batches(datamodule)) == asked == 11


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("unsent", "; a batch does not fit into shared memory, /dev/shm: give less at a time"),
        ("killed", " is killed by signal: Killed: give less at a time"),
    ],
)
def test_a_worker_that_dies_is_told_and_not_waited_for(initial, monkeypatch, how, told):
    datamodule, _ = initial(*SMALL, "data.loader=workers", "data.num_workers=1")
    if how == "killed":
        monkeypatch.setattr(Arrays, "__getitem__", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    else:
        monkeypatch.setattr(torch.UntypedStorage, "_share_fd_cpu_", lambda *_: 1 / 0)

    with pytest.raises(DataError, match=rf"^DataLoader worker \(pid \d+\).*{told}"):
        training_batches(datamodule)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_workers_give_empty_batches_too(initial, num_workers):
    datamodule, _ = initial(*SMALL, "data.loader=workers", f"data.num_workers={num_workers}", "data.shift=1")
    batches = datamodule._batches("train")

    for found in (
        batches.gather([torch.arange(3), torch.arange(0), torch.arange(2)]),
        batches.slices(iter([slice(0, 3), slice(4, 4), slice(0, 2)])),
    ):
        found = list(found)
        assert [len(targets) for _, targets in found] == [3, 0, 2]
        assert {inputs.shape[1:] for inputs, _ in found} == {(1, 28, 28)}
        assert {(inputs.dtype, targets.dtype) for inputs, targets in found} == {(torch.float32, torch.int64)}
