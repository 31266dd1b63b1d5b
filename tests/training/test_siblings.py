"""What one process of a run says to the first about its own end; whole runs are in tests/training/test_ddp.py."""

from types import SimpleNamespace

import pytest

from lightsweep.errors import Interrupted
from lightsweep.paths import RunPaths
from lightsweep.training import siblings


@pytest.fixture
def third(tmp_path):
    trainer = SimpleNamespace(is_global_zero=False, world_size=1, global_rank=3, local_rank=3)
    return siblings.Siblings(trainer, RunPaths(tmp_path))


def test_a_process_leaves_its_reason_for_the_first(third, tmp_path):
    with pytest.raises(Interrupted), third.watched(lambda death: None):
        raise Interrupted(15)
    assert RunPaths(tmp_path).rank_error(3).read_text() == str(Interrupted(15))


def test_a_folder_that_takes_no_word_does_not_hide_why_the_process_ends(third, monkeypatch):
    def refuse(path, text):
        raise FileNotFoundError(path)

    monkeypatch.setattr(siblings, "write_text", refuse)
    with pytest.raises(Interrupted), third.watched(lambda death: None):
        raise Interrupted(15)
