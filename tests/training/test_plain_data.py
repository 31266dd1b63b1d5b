"""A checkpoint that could not be loaded again ends the run when it is to be written, not hours later."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from torch.distributed import HashStore, destroy_process_group, init_process_group
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import distribute_tensor

from lightsweep import train
from lightsweep.errors import ConfigError
from lightsweep.training.plain_data import refuse_unloadable

QUICK = ("model=softmax_regression", "trainer.limit_train_batches=2", "trainer.max_epochs=3", "test=false")


class Remembers(Callback):
    def __init__(self, value):
        self.value, self.epochs = value, 0

    def on_train_epoch_start(self, trainer, pl_module):
        self.epochs += 1

    def state_dict(self):
        return {"kept": [1, {"value": self.value}]}


@pytest.mark.parametrize(("value", "kind"), [(np.zeros(2), r"numpy\.ndarray"), (lambda: 0, r"builtins\.function")])
def test_a_state_that_cannot_be_loaded_ends_the_run_at_its_first_checkpoint(compose, tmp_path, value, kind):
    callback = Remembers(value)

    with pytest.raises(ConfigError, match=rf"but callbacks\.Remembers\.kept\.1\.value in it is a {kind}: change the "):
        train(compose(*QUICK), tmp_path / "run", callbacks=[callback])

    assert callback.epochs == 1
    assert not (tmp_path / "run" / "checkpoints" / "last.ckpt").exists()


@pytest.mark.parametrize("kept", [{(1, "a"): {1.5, 2}}, OrderedDict(a=torch.Size([2])), (torch.float16, b"x", None)])
def test_what_torch_loads_as_plain_data_is_none_of_them(kept):
    refuse_unloadable({"callbacks": {"Mine": kept}})


def test_keys_are_looked_at_too():
    with pytest.raises(ConfigError, match=r"but optimizer_states\.0\.1 in it is a numpy\.int64"):
        refuse_unloadable({"optimizer_states": [{np.int64(1): 2}]})


def test_a_part_of_a_tensor_is_refused_as_each_process_would_go_on_with_the_first_ones():
    init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
    try:
        part = distribute_tensor(torch.zeros(2), init_device_mesh("cpu", (1,)))
        with pytest.raises(ConfigError, match=r"but callbacks\.Mine\.mean in it is the part .* give its `full_tensor"):
            refuse_unloadable({"callbacks": {"Mine": {"mean": part}}})
    finally:
        destroy_process_group()
