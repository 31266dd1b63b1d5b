"""A checkpoint with a flipped bit or a cut tail is named, or it loads to the very same content; never anything else."""

import random
from contextlib import suppress

import pytest

from lightsweep.errors import RunFolderError
from lightsweep.paths import RunPaths
from lightsweep.training.checkpoints import load
from tests.faults.kills import SEED
from tests.training.stopped_runs import equal

CASE = ("model=softmax_regression", "optimizer=adam", "trainer.limit_train_batches=2", "test=false")


def test_a_flipped_bit_is_found_or_harmless(run, tmp_path):
    run(*CASE, folder=tmp_path / "run")
    path = RunPaths(tmp_path / "run").last
    whole, content, dice = load(path), path.read_bytes(), random.Random(SEED)
    for _ in range(400):
        spoilt = bytearray(content)
        # headers and pickles are a small part of the file, and most of what can go wrong
        at = dice.randrange(len(content)) if dice.random() < 0.5 else -dice.randrange(1, 4000)
        spoilt[at] ^= 1 << dice.randrange(8)
        path.write_bytes(spoilt)
        with suppress(RunFolderError):
            assert equal(load(path), whole), f"FAULT_SEED={SEED}: byte {at}"


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_file_that_is_cut_short_is_named(run, tmp_path, share):
    run(*CASE, folder=tmp_path / "run")
    path = RunPaths(tmp_path / "run").last
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    with pytest.raises(RunFolderError, match=r"last\.ckpt is (cut short or )?damaged"):
        load(path)
