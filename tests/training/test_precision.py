"""A network's numbers have the type that `trainer.precision` says, and complex ones stay complex."""

from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lightsweep.data import DataSpec
from lightsweep.data.description import Description
from lightsweep.data.loader import DeviceBatches, Preparation, WorkerBatches
from lightsweep.data.spec import Arrays
from lightsweep.data.transform import Normalize, RandomAffine, RandomShift, Transforms
from lightsweep.errors import ConfigError
from lightsweep.models import base
from lightsweep.models.tasks import Multiclass, precise
from lightsweep.training import precision as precisions
from lightsweep.training.model import build_model
from lightsweep.training.stepper import Stepper
from lightsweep.training.tally import Tally
from lightsweep.training.trained import Trained

TABLE = DataSpec((4,), 3)


class WithoutFloat64(TorchDispatchMode):
    """As MPS does, a device refuses what would give it numbers of float64."""

    def __init__(self, device):
        super().__init__()
        self.device = torch.device(device)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for part in tree_leaves(found):
            if isinstance(part, torch.Tensor) and (part.device, part.dtype) == (self.device, torch.float64):
                raise TypeError(f"Cannot convert a {self.device} Tensor to float64 dtype: {func}")
        return found


class Waves(nn.Linear):
    """Holds real, complex and whole numbers."""

    def __init__(self):
        super().__init__(4, 3)
        self.wave = nn.Parameter(torch.randn(4, dtype=torch.cfloat))
        self.register_buffer("turn", torch.ones(4, dtype=torch.cfloat))
        self.register_buffer("count", torch.zeros(1, dtype=torch.int64))

    def forward(self, inputs):
        return super().forward((inputs * self.wave * self.turn).abs())


class Turned(nn.Module):
    """Has complex weights before its real ones."""

    def __init__(self):
        super().__init__()
        self.wave, self.last = nn.Parameter(torch.randn(4, dtype=torch.cfloat)), nn.Linear(4, 3)

    def forward(self, inputs):
        if inputs.is_complex():
            raise TypeError("the inputs are complex")
        return self.last((inputs * self.wave).abs())


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


@pytest.mark.parametrize(("precision", "real"), [("auto", torch.float32), ("64-true", torch.float64)])
def test_a_trained_network_whose_first_weights_are_complex_takes_real_inputs(precision, real):
    cfg = OmegaConf.create({"trainer": {"precision": precision}})
    trained = Trained(built(Turned, precision), Description((4,), 3, ("a", "b", "c"), 0.0, 1.0), cfg, "run/best")

    assert trained.dtype == trained.outputs(torch.ones(2, 4, dtype=torch.float64)).dtype == real


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


def test_sums_are_kept_in_float64_where_the_device_has_it():
    assert [precise(torch.device(kind)) for kind in ("cpu", "cuda", "mps")] == [*[torch.float64] * 2, torch.float32]


def test_float64_is_refused_on_a_device_that_has_none():
    with pytest.raises(ConfigError, match=r"^`trainer\.precision` must not be 64-true on mps, which has no float64: "):
        precisions.resolve("64-true", built(Waves), torch.device("mps"))

    assert precisions.resolve("64-true", built(Waves), torch.device("cpu")) == "64-true"
    assert precisions.resolve("auto", built(Waves), torch.device("mps")) == "32-true"


@pytest.mark.parametrize(("units", "during", "found"), [(True, "high", "tf32"), (False, "highest", "32-true")])
def test_tf32_is_for_the_run_alone_and_where_there_are_no_units_is_told_as_float32(
    run, monkeypatch, capsys, units, during, found
):
    seen = []
    monkeypatch.setattr(precisions, "_is_ampere", lambda device: units)
    monkeypatch.setattr(Stepper, "end_epoch", lambda self: seen.append(torch.get_float32_matmul_precision()))

    result = run("model=softmax_regression", "trainer.precision=tf32")

    assert (result.precision, seen) == (found, [during])
    assert torch.get_float32_matmul_precision() == "highest"
    assert ("32-true (there are no units for tf32)" in capsys.readouterr().out) == (not units)


def test_losses_of_one_process_are_read_without_float64():
    tally = Tally(Multiclass())
    tally.add(torch.tensor(0.1), 2, torch.eye(3)[:2], torch.tensor([0, 2]))

    with WithoutFloat64("cpu"):
        assert tally.read(True, 0, torch.device("cpu")) == ([(torch.tensor(0.1).item(), 2)], 1, 0)


def test_a_validation_is_summed_without_float64_where_there_is_none(monkeypatch):
    model, told = built(Waves).eval(), {}
    trainer = SimpleNamespace(strategy=SimpleNamespace(reduce=lambda total, reduce_op: total), is_global_zero=True)
    monkeypatch.setattr(base, "precise", lambda device: torch.float32)
    monkeypatch.setattr(base.Model, "trainer", trainer)
    monkeypatch.setattr(model, "log_dict", lambda metrics, **options: told.update(metrics))

    with WithoutFloat64("cpu"), torch.no_grad():
        model.validation_step((torch.ones(2, 4), torch.tensor([0, 1])), 0)
        model.on_validation_epoch_end()

    assert told["val/acc"] in (0.0, 0.5)


@pytest.mark.parametrize("kind", ["device", "workers"])
def test_inputs_have_lost_their_float64_when_they_are_moved(kind):
    arrays = Arrays(torch.ones(6, 4, dtype=torch.float64), torch.zeros(6, dtype=torch.int64))
    preparation = Preparation(Normalize(0.0, 2.0), RandomAffine(0, 0), RandomShift(0), Transforms())

    with WithoutFloat64("meta"):
        split = {
            "device": lambda: DeviceBatches(arrays, preparation, torch.device("meta")),
            "workers": lambda: WorkerBatches(arrays, preparation, torch.device("meta"), 0),
        }[kind]()
        ((inputs, _),) = split.slices(iter([slice(0, 6)]))

    assert inputs.dtype == torch.float32
