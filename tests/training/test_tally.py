"""What several processes make of their sums, with one that adds what another sent."""

import signal
from types import SimpleNamespace

import pytest
import torch

from lightsweep.training.tally import Tally


@pytest.fixture
def read(monkeypatch):
    """Reads the tallies of two processes of one batch each, whose signals are given; gives what the second one gets."""

    def both(*signals):
        sent = []

        def all_reduce(flat):
            sent.append(flat.clone())
            flat.copy_(sum(sent))

        monkeypatch.setattr(torch.distributed, "all_reduce", all_reduce)
        for size, number in enumerate(signals, 1):
            tally = Tally(SimpleNamespace(counts=False))
            tally.add(torch.tensor(float(size)), size, torch.zeros(size, 1), torch.zeros(size))
            found = tally.read(False, number, torch.device("cpu"))
        return found

    return both


def test_losses_are_means_over_the_examples_of_all_processes(read):
    assert read(0, 0) == ([((1 * 1 + 2 * 2) / 3, 3.0)], 0, 0)


def test_processes_tell_of_a_signal_after_a_chunk_without_batches_too(monkeypatch):
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda flat: None)

    assert Tally(SimpleNamespace(counts=True)).read(False, signal.SIGTERM, torch.device("cpu")) == (
        [],
        0,
        signal.SIGTERM,
    )


@pytest.mark.parametrize(
    ("signals", "told"),
    [
        ((0, signal.SIGTERM), signal.SIGTERM),
        ((signal.SIGUSR1, 0), signal.SIGUSR1),
        ((signal.SIGTERM, signal.SIGTERM), signal.SIGTERM),
        ((signal.SIGINT, signal.SIGTERM), signal.SIGINT),
        ((signal.SIGTERM, signal.SIGINT), signal.SIGINT),
    ],
)
def test_a_signal_that_any_process_got_is_told_to_all(read, signals, told):
    assert read(*signals)[2] == told
