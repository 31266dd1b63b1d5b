import tracemalloc

import cloudpickle
import pytest
from hydra import compose, initialize
from hydra.core.utils import JobReturn, JobStatus

from lightsweep.launching.compact_return import CompactReturn


@pytest.fixture
def returned() -> JobReturn:
    with initialize(version_base=None, config_path=None):
        config = compose(overrides=["+lr=0.5"], return_hydra_config=True)
    return JobReturn(["lr=0.5"], config, config, "there", "task", JobStatus.COMPLETED, 0.25)


def test_it_says_all_that_it_was_made_of(returned):
    found = cloudpickle.loads(cloudpickle.dumps(CompactReturn(**vars(returned))))
    assert found.return_value == 0.25
    assert all(getattr(found, name) == value for name, value in vars(returned).items())


def held_by(returned: JobReturn) -> int:
    """Bytes of memory that ten of them take, as they come from the jobs' processes."""
    packed = cloudpickle.dumps(returned)
    tracemalloc.start()
    found = [cloudpickle.loads(packed) for _ in range(10)]
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(found) == 10
    return held


def test_it_takes_a_tenth_of_the_memory_or_less(returned):
    compact = CompactReturn(**vars(returned))
    assert held_by(compact) < held_by(returned) / 10


def test_it_has_no_configuration_where_there_is_none():
    found = CompactReturn(["lr=0.5"])
    assert found.cfg is None
    found.cfg = {"lr": 0.5}
    assert found.cfg == {"lr": 0.5}
