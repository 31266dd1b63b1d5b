"""A network's numbers have the type that `trainer.precision` says, and complex ones stay complex."""

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from lightsweep.data import DataSpec
from lightsweep.errors import ConfigError
from lightsweep.training.build import build_model

TABLE = DataSpec((4,), 3)


class Waves(nn.Linear):
    """Holds real, complex and whole numbers."""

    def __init__(self):
        super().__init__(4, 3)
        self.wave = nn.Parameter(torch.randn(4, dtype=torch.cfloat))
        self.register_buffer("turn", torch.ones(4, dtype=torch.cfloat))
        self.register_buffer("count", torch.zeros(1, dtype=torch.int64))

    def forward(self, inputs):
        return super().forward((inputs * self.wave * self.turn).abs())


class Typed(nn.Linear):
    """Holds numbers of a type."""

    def __init__(self, dtype):
        super().__init__(4, 3, dtype=getattr(torch, dtype))


class Doubled(nn.Linear):
    """Gives its inputs the type that its weights had."""

    def __init__(self):
        super().__init__(4, 3, dtype=torch.float64)

    def forward(self, inputs):
        return super().forward(inputs.double())


class Remembering(nn.Linear):
    """Keeps a state that is no plain data."""

    def __init__(self):
        super().__init__(4, 3)

    def get_extra_state(self):
        return DataSpec((4,), 3)

    def set_extra_state(self, state):
        pass


def built(net, precision="32-true", **options):
    target = {"_target_": f"{__name__}.{net.__name__}", **options}
    return build_model(
        OmegaConf.create({"model": target, "trust": ["tests"], "trainer": {"precision": precision}}), TABLE
    )


@pytest.mark.parametrize(
    ("precision", "real", "complex_"),
    [("32-true", torch.float32, torch.complex64), ("64-true", torch.float64, torch.complex128)],
)
def test_real_and_complex_and_whole_numbers_keep_their_kind(precision, real, complex_):
    found = built(Waves, precision).net

    assert (found.weight.dtype, found.wave.dtype, found.turn.dtype) == (real, complex_, complex_)
    assert found.count.dtype == torch.int64
    assert found(torch.ones(2, 4, dtype=real)).dtype == real
    assert found.wave.imag.any()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_weights_of_another_type_are_trained_in_that_of_the_setting(dtype):
    net = built(Typed, "auto", dtype=dtype).net

    assert net(torch.ones(2, 4)).dtype == torch.float32


def test_a_network_that_wants_another_precision_is_refused_unless_it_is_given():
    with pytest.raises(ConfigError, match=r"^`model` Doubled .* inputs of shape \(4,\) and type torch\.float32: mat1"):
        built(Doubled)

    assert built(Doubled, "64-true").net.weight.dtype == torch.float64


def test_a_state_that_no_checkpoint_could_be_loaded_with_is_refused_before_training():
    with pytest.raises(ConfigError, match=r"^`model`: Remembering\.get_extra_state must give tensors, numbers"):
        built(Remembering)
