"""Batches: each example once an epoch, the same global batches on any number of processes."""

import pytest
import torch

from lightsweep.data.order import BatchOrder, limited, shard


def test_an_epoch_covers_each_example_once():
    batches = BatchOrder(103, 10, seed=0).epoch(0)

    assert [len(batch) for batch in batches] == [10] * 10 + [3]
    assert torch.cat(batches).sort().values.tolist() == list(range(103))


def test_the_sizes_are_those_of_the_batches():
    order = BatchOrder(103, 10, seed=0)

    assert order.sizes == [len(batch) for batch in order.epoch(4)]
    assert len(order) == 11


def test_epochs_and_seeds_differ_and_repeat():
    def flat(seed, number):
        return torch.cat(BatchOrder(50, 10, seed).epoch(number)).tolist()

    assert flat(0, 0) == flat(0, 0)
    assert len({tuple(flat(seed, number)) for seed in range(3) for number in range(3)}) == 9


@pytest.mark.parametrize("world_size", [2, 3, 4])
@pytest.mark.parametrize("num_examples", [100, 101, 103])
def test_processes_share_each_global_batch_without_overlap_or_loss(num_examples, world_size):
    alone = BatchOrder(num_examples, 10, seed=5).epoch(2)
    shares = [BatchOrder(num_examples, 10, 5, rank, world_size).epoch(2) for rank in range(world_size)]

    for number, batch in enumerate(alone):
        together = torch.cat([share[number] for share in shares])
        assert together.sort().values.tolist() == batch.sort().values.tolist()


def test_a_last_batch_smaller_than_the_processes_leaves_some_without_examples():
    sizes = [[len(batch) for batch in BatchOrder(21, 10, 0, rank, 2).epoch(0)] for rank in range(2)]

    assert sizes == [[5, 5, 1], [5, 5, 0]]


@pytest.mark.parametrize("limit", [3, 0.3, 100, 1])
def test_a_limit_takes_the_first_batches(limit):
    whole, part = BatchOrder(95, 10, 1).epoch(3), BatchOrder(95, 10, 1, limit=limit).epoch(3)

    assert len(part) == limited(10, limit)
    assert all(torch.equal(a, b) for a, b in zip(whole, part, strict=False))


@pytest.mark.parametrize(("limit", "expected"), [(3, 3), (12, 10), (0.5, 5), (0.001, 1), (0.99, 9), (1, 1), (1.0, 10)])
def test_limits_are_counts_or_shares(limit, expected):
    assert limited(10, limit) == expected


@pytest.mark.parametrize("percent", [1, 29, 35, 57, 58, 70, 99, 100])
@pytest.mark.parametrize("num_batches", [1, 50, 90, 100, 170, 600])
def test_a_share_is_what_whole_numbers_make_of_it(num_batches, percent):
    assert limited(num_batches, percent / 100) == max(1, num_batches * percent // 100)


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize(("size", "limit"), [(95, 1.0), (100, 1.0), (95, 4), (5, 1.0)])
def test_evaluation_shards_cover_each_example_once(size, limit, world_size):
    slices = [part for rank in range(world_size) for part in shard(size, 10, rank, world_size, limit)]

    seen = sorted(index for part in slices for index in range(part.start, part.stop))
    assert seen == list(range(size if limit == 1.0 else 10 * limit))


@pytest.mark.parametrize(("size", "limit"), [(5, 1.0), (3, 1.0), (95, 1), (25, 1.0), (95, 1.0), (95, 5)])
def test_every_process_has_something_to_evaluate_and_equally_many_batches(size, limit):
    parts = [list(shard(size, 10, rank, 3, limit)) for rank in range(3)]

    assert len({len(slices) for slices in parts}) == 1

    assert all(part.stop > part.start for slices in parts for part in slices)
    assert all(parts)
