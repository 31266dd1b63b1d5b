"""The built wheel in a stranger's project with its own environment: extended, trained, swept, predicted, exported.

Needs a package index or uv's cache of one.
"""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ROOT

QUICK = ("trainer.max_epochs=1", "trainer.accelerator=cpu", "logger=none")
HALVES = '''
import torch
from lightsweep.data import ArrayDataModule, Arrays, DataSpec


class Halves(ArrayDataModule):
    """Points of the plane, right and left of the middle."""

    spec = DataSpec((2,), 2, ("left", "right"))

    def load_train(self):
        return self._points(400, 0)

    def load_test(self):
        return self._points(100, 1)

    def _points(self, count, seed):
        points = torch.randn(count, 2, generator=torch.Generator().manual_seed(seed))
        return Arrays(points, (points[:, 0] > 0).long())
'''
RINGS = '''
import torch
from torch import nn


class Rings(nn.Module):
    """Classes by the distance from `num_centres` points."""

    def __init__(self, spec, num_centres):
        super().__init__()
        self.centres = nn.Parameter(torch.randn(num_centres, spec.input_shape[0]))
        self.classes = nn.Linear(num_centres, spec.num_classes)

    def forward(self, x):
        return self.classes((x[:, None] - self.centres).square().sum(2))
'''
SIGN_SGD = '''
import torch


class SignSGD(torch.optim.Optimizer):
    """A step of the same length for every weight."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(p.grad.sign(), alpha=group["lr"])
'''
FILES = {
    "stranger/halves.py": HALVES,
    "stranger/rings.py": RINGS,
    "stranger/sign_sgd.py": SIGN_SGD,
    "conf/model/rings.yaml": "_target_: stranger.rings.Rings\nnum_centres: 8\n",
    "conf/optimizer/sign_sgd.yaml": "_target_: stranger.sign_sgd.SignSGD\n_partial_: true\nlr: 0.01\n",
    "conf/data/halves.yaml": "defaults: [base, _self_]\n_target_: stranger.halves.Halves\nval_size: 50\n",
    "conf/optimizer/asgd.yaml": "_target_: torch.optim.ASGD\n_partial_: true\nlr: 0.5\nweight_decay: 0.0\n",
}


@pytest.fixture
def bin(tmp_path_factory, needs_program) -> Path:
    """The programs of a new environment that holds the wheel, and nothing of this checkout."""
    needs_program("uv")
    folder = tmp_path_factory.mktemp("wheel")
    _call(ROOT, "uv", "build", "--wheel", "--out-dir", str(folder))
    (wheel,) = folder.glob("*.whl")
    _call(folder, "uv", "venv", "--python", sys.executable, str(folder / "venv"))
    python = folder / "venv" / "bin" / "python"
    _call(folder, "uv", "pip", "install", "--no-compile-bytecode", "--python", str(python), f"{wheel}[onnx]")
    return python.parent


def _call(folder: Path, *words: str) -> str:
    """Run a command of the stranger's; gives its stdout."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_project_of_ones_own_on_the_wheel(bin, tmp_path):
    python, lightsweep = str(bin / "python"), str(bin / "lightsweep")
    where = _call(tmp_path, python, "-c", "import lightsweep; print(lightsweep.__file__)").strip()
    assert Path(where).is_relative_to(bin.parent), "the wheel's own, not this checkout's"
    _call(tmp_path, lightsweep, "new", "stranger")
    project = tmp_path / "stranger"
    for name, text in FILES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)

    shown = _call(project, python, "train.py", "data=halves", "optimizer=asgd", *QUICK, "hydra.run.dir=outputs/halves")
    assert "test (best checkpoint)" in shown
    own = ("data=halves", "model=rings", "optimizer=sign_sgd", "hydra.run.dir=outputs/rings")
    assert "test (best checkpoint)" in _call(project, python, "train.py", *own, *QUICK)
    searched = ("data=halves", "hydra.sweeper.n_trials=2", "hydra.sweeper.study_name=mine")
    shown = _call(project, python, "train.py", "-m", "sweeps=width", *searched, *QUICK)
    assert "2 of 2 trials finished" in shown
    assert "  width: " in (project / "outputs" / "sweeps" / "mine" / "best.yaml").read_text()
    for run in ("halves", "rings"):
        assert "equal on 100 test examples" in _call(project, lightsweep, "export", f"run=outputs/{run}")
        assert (project / "outputs" / run / "exports" / "model.onnx").is_file()

    digits = (
        "trainer.limit_train_batches=100",
        f"data.root={ROOT / 'data'}",
        "hydra.run.dir=outputs/digits",
        "test=false",
    )
    _call(project, python, "train.py", "optimizer=adam", *QUICK, *digits)
    with gzip.open(ROOT / "data" / "MNIST" / "raw" / "t10k-images-idx3-ubyte.gz") as file:
        Image.frombytes("L", (28, 28), file.read(16 + 784)[16:]).resize((90, 90)).save(project / "seven.png")
    shown = _call(project, lightsweep, "predict", "run=outputs/digits", "seven.png")
    assert shown.startswith("seven.png  7")
