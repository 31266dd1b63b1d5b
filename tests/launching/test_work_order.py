"""What a worker is told of the surroundings of the process that asks for it."""

import pytest

from lightsweep.launching.slots import Slot
from lightsweep.launching.work_order import WorkOrder


@pytest.mark.parametrize(("chosen", "num_threads"), [("3", 3), ("", 2), ("0", 2), ("4,2", 2), ("²", 2)])
def test_the_users_own_number_of_threads_counts_where_it_is_one(monkeypatch, chosen, num_threads):
    monkeypatch.setenv("OMP_NUM_THREADS", chosen)
    order = WorkOrder.for_slot(Slot(0, (), 0, None, num_threads=2), 1, b"", ())
    assert (order.num_threads, order.environ["OMP_NUM_THREADS"]) == (num_threads, str(num_threads))
