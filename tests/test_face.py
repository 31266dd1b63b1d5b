"""What the package shows to the world, and that looking at it is cheap."""

import subprocess
import sys

import pytest

import lightsweep


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
