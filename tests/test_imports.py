"""How a package that is missing is installed."""

import os
import subprocess
import sys

import pytest

from lightsweep import imports, paths
from lightsweep.imports import how_to_install


@pytest.mark.parametrize(("there", "program"), [(True, "pip"), (False, "uv pip")])
def test_an_environment_without_pip_is_uvs(monkeypatch, there, program):
    monkeypatch.setattr(imports, "distributions", lambda name: iter([object()] if there else []))

    assert how_to_install("lightsweep[onnx]") == f"{program} install 'lightsweep[onnx]'"
    assert how_to_install("cmaes", "scipy") == f"{program} install cmaes scipy"


def test_the_question_leaves_setuptools_as_it_is():
    """It turns to the standard library's distutils, and fails, where pip was looked for by `find_spec`."""
    asked = "from lightsweep.imports import how_to_install; how_to_install('x'); import setuptools"

    ended = subprocess.run([sys.executable, "-W", "error", "-c", asked], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.fixture
def transformers(tmp_path):
    """A folder with a package that passes for transformers; whoever imports it leaves a file behind."""
    site = tmp_path / "site"
    (site / "transformers-4.57.0.dist-info").mkdir(parents=True)
    (site / "transformers-4.57.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: transformers\nVersion: 4.57.0\n"
    )
    (site / "transformers").mkdir()
    (site / "transformers" / "__init__.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w'); raise ImportError")
    return site


def test_commands_import_neither_scipy_nor_transformers_for_metrics_of_sound_and_text(
    tmp_path, transformers, mnist_root
):
    few = ("model=softmax_regression", "trainer.max_epochs=1", "data.val_size=0", "test=false", "logger=none")
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(transformers), *sys.path]), "OMP_NUM_THREADS": "1"}
    runs = [
        (*few, f"hydra.run.dir={tmp_path / 'run'}"),
        (*few, "-m", "seed=0,1", "hydra/launcher=local", f"hydra.sweep.dir={tmp_path / 'grid'}"),
    ]
    for words in runs:
        command = [sys.executable, str(paths.conf_dir().parent / "train.py"), *words, f"data.root={mnist_root}"]
        ended = subprocess.run(command, env=environ, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr

    assert not (tmp_path / "imported").exists()
    assert subprocess.run([sys.executable, "-c", "import torchmetrics"], env=environ, capture_output=True).returncode
    assert (tmp_path / "imported").exists()


def test_no_command_imports_scipy_and_matplotlib_for_metrics_which_still_have_them(tmp_path):
    (tmp_path / "drawing.py").write_text(
        """
import sys

import torch

from lightsweep.imports import lean_imports

lean_imports()
import lightning.pytorch

assert not {"matplotlib", "scipy.signal"} & sys.modules.keys()
from torchmetrics.utilities.imports import _SCIPY_AVAILABLE
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix

print(bool(_SCIPY_AVAILABLE))
print(type(MulticlassAccuracy(3).plot(torch.tensor(0.5))[0]).__name__)
counts = MulticlassConfusionMatrix(3)
counts.update(torch.tensor([0, 1, 2]), torch.tensor([0, 1, 1]))
print(len(counts.plot()[1].texts), "cells")
"""
    )
    command = [sys.executable, "-W", "ignore", str(tmp_path / "drawing.py")]

    ended = subprocess.run(command, capture_output=True, text=True, check=True)

    assert ended.stdout == "True\nFigure\n9 cells\n"
