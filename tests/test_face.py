"""What the package shows to the world, and that looking at it is cheap."""

import subprocess
import sys

import pytest

import lightsweep

OWN = """
import torch
from torch import Tensor, nn

from lightsweep import Result, Sweep, compare, compose, sweep, train
from lightsweep.data import ArrayDataModule, Arrays, DataSpec
from lightsweep.models import Model


class Points(ArrayDataModule):
    spec = DataSpec((2,), None)

    def load_train(self) -> Arrays:
        return Arrays(torch.zeros(10, 2), torch.zeros(10, 1))


class Quantiles:
    counts = False

    def num_outputs(self, spec: DataSpec) -> int:
        return 2

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (targets - outputs).abs().mean()

    def correct(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return torch.zeros((), dtype=torch.int64)


class Own(Model):
    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec, nn.Linear(spec.num_features, 2), Quantiles())


result: Result = train(compose(["model=mlp"]), "outputs/run")
found: Sweep = sweep(["sweeps=lr_momentum"])
print(result.metrics["test/acc"], compare(found.folder).differences[0].estimate.mean)
"""


def test_the_members_are_these():
    assert sorted(lightsweep.__all__) == [
        "Comparison",
        "ConfigError",
        "DataError",
        "Difference",
        "Diverged",
        "Estimate",
        "Interrupted",
        "LightsweepError",
        "Result",
        "RunFolderError",
        "RunStopped",
        "Sweep",
        "SweepFailed",
        "Trial",
        "UserError",
        "compare",
        "compose",
        "evaluate",
        "sweep",
        "train",
    ]


def test_completion_shows_them():
    assert sorted(dir(lightsweep)) == sorted([*lightsweep.__all__, "__version__"])


@pytest.mark.parametrize("name", lightsweep.__all__)
def test_every_member_is_there(name):
    assert getattr(lightsweep, name) is not None


def test_an_unknown_member_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"^module 'lightsweep' has no attribute 'optimise'$"):
        _ = lightsweep.optimise


def test_composing_imports_neither_torch_nor_lightning():
    code = (
        "import sys, lightsweep; lightsweep.compose(['logger=none', 'optimizer=adam']);"
        "print(sorted({'torch', 'lightning', 'torchvision', 'numpy', 'optuna'} & set(sys.modules)))"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout == "[]\n"


@pytest.mark.slow
def test_a_program_of_ones_own_is_strictly_typed(tmp_path):
    (tmp_path / "own.py").write_text(OWN)

    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "own.py"], capture_output=True, text=True, cwd=tmp_path
    )

    assert checked.stdout == "Success: no issues found in 1 source file\n"
