"""Fixtures that all tests share: a composed configuration, small data sets on the disk, and a run of a few steps."""

import gzip
import logging
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.version import VersionBase
from omegaconf import DictConfig

import lightsweep
from lightsweep import paths
from lightsweep.config.hydra_patches import prepare_hydra
from lightsweep.errors import INTERRUPTING

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which `nohup` lets the processes of tests ignore
os.environ["OMP_NUM_THREADS"] = "1"  # small arithmetic is far slower on two threads where other processes are busy

ROOT = Path(__file__).resolve().parents[1]
if sys.version_info >= (3, 14):  # for programs of others, which tests write and start
    sys.path.insert(0, str(ROOT / "tests" / "python_3_14"))
    os.environ["PYTHONPATH"] = os.pathsep.join([sys.path[0], os.environ.get("PYTHONPATH", "")])
MNIST_FILES = {
    "train-images-idx3-ubyte": (16, 784, 600),
    "train-labels-idx1-ubyte": (8, 1, 600),
    "t10k-images-idx3-ubyte": (16, 784, 200),
    "t10k-labels-idx1-ubyte": (8, 1, 200),
}
"""Bytes of a file's header and of one example, and how many examples the small copy keeps."""

Compose = Callable[..., DictConfig]
Run = Callable[..., Any]


@pytest.fixture(scope="session")
def mnist_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the first 600 training and 200 test images of the real MNIST, unpacked."""
    root = tmp_path_factory.mktemp("data")
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, (header, size, count) in MNIST_FILES.items():
        with gzip.open(ROOT / "data" / "MNIST" / "raw" / f"{name}.gz") as file:
            head = file.read(header)
            (raw / name).write_bytes(head[:4] + count.to_bytes(4, "big") + head[8:] + file.read(size * count))
    return root


@pytest.fixture(scope="session")
def digits() -> tuple[np.ndarray, list[int]]:
    """The first 200 test images of MNIST, uint8 `[200, 28, 28]`, and their labels."""
    raw = ROOT / "data" / "MNIST" / "raw"
    with gzip.open(raw / "t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(16 + 200 * 784), np.uint8, offset=16)
    with gzip.open(raw / "t10k-labels-idx1-ubyte.gz") as file:
        return images.reshape(-1, 28, 28), list(file.read(208)[8:])


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Makes a folder that all processes of the session share: the first that asks fills it, the others wait."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def made(name: str, fill: Callable[[Path], None]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with FileLock(shared / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return made


@pytest.fixture
def needs_program() -> Callable[..., None]:
    """Skips the test where a program is not installed, and says so; on CI, which installs all of them, fails it."""

    def needed(*names: str) -> None:
        missing = [name for name in names if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]
        if missing:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"not installed: {', '.join(missing)}")

    return needed


@cache
def _composed(overrides: tuple[str, ...]) -> DictConfig:
    prepare_hydra()
    with initialize_config_dir(str(paths.conf_dir()), version_base="1.3"):
        return hydra_compose("train", list(overrides))


@pytest.fixture
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Writes a module of the user's own, and lets it be imported."""

    def written(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        monkeypatch.syspath_prepend(tmp_path)

    return written


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A CSV file of 60 rows: inputs `a` and `b`, the class `kind` and the number `y`."""
    path = tmp_path / "table.csv"
    rows = [f"{i % 7},{(i * 5) % 11},{'yes' if i % 3 else 'no'},{i / 4}" for i in range(60)]
    path.write_text("\n".join(["a,b,kind,y", *rows]) + "\n")
    return path


@pytest.fixture
def compose(mnist_root: Path) -> Compose:
    """Composes `conf/train.yaml` with overrides; on small data, with few threads' worth of arithmetic and no logger."""

    def composed(*overrides: str, small: bool = True) -> DictConfig:
        given = list(overrides)
        choices = {word.partition("=")[0]: word.partition("=")[2] for word in given}
        if small:
            defaults = {"logger": "none", "trainer.max_epochs": "1", "trainer.accelerator": "cpu"}
            if choices.get("data", "mnist") in ("mnist", "mnist_binary"):
                defaults |= {"data.root": str(mnist_root), "data.val_size": "50", "data.batch_size": "50"}
            given = [f"{key}={value}" for key, value in defaults.items() if key not in choices] + given
        return deepcopy(_composed(tuple(given)))

    return composed


@pytest.fixture
def run(compose: Compose, tmp_path: Path) -> Run:
    """Trains with overrides in a fresh folder of `tmp_path` and gives the result; `folder=` names the folder."""
    from lightsweep.training import train

    def trained(*overrides: str, folder: Path | None = None) -> Any:
        target = folder or tmp_path / f"run{len(list(tmp_path.glob('run*')))}"
        return train(compose(*overrides), target)

    return trained


@pytest.fixture
def trained_run(run, tmp_path):
    """The folder of a small ConvNet after some epochs on 550 images."""
    overrides = ("model=convnet", "model.filters=[8,16]", "optimizer=adam", "optimizer.lr=0.01", "trainer.max_epochs=8")
    run(*overrides, "test=false", folder=tmp_path / "trained")
    return tmp_path / "trained"


@pytest.fixture
def initial(compose: Compose) -> Callable[..., Any]:
    """Gives the DataModule, set up, and the model with the weights that a run with these overrides starts from."""
    from lightning.pytorch import seed_everything

    from lightsweep.training.build import build_data
    from lightsweep.training.model import build_model

    def built(*overrides: str) -> Any:
        cfg = compose(*overrides)
        seed_everything(cfg.seed, workers=True, verbose=False)
        datamodule = build_data(cfg)
        datamodule.setup("fit")
        return datamodule, build_model(cfg, datamodule.spec)

    return built


@pytest.fixture(autouse=True)
def _undisturbed() -> Iterator[None]:
    """A test leaves nothing changed for the next: environment, logging, signals, Hydra's version base, torch's state.

    Hydra points the root logger at the stream of the test that runs it.
    """
    base = VersionBase.instance().version_base  # Hydra's own suites need the one that it starts with
    environment, state = dict(os.environ), "torch" in sys.modules and sys.modules["torch"].get_rng_state()
    level, handlers = logging.root.level, list(logging.root.handlers)
    signals, hook = {number: signal.getsignal(number) for number in INTERRUPTING}, sys.unraisablehook
    yield
    sys.unraisablehook = hook
    for number, handler in signals.items():
        signal.signal(number, handler)
    logging.root.setLevel(level)
    logging.root.handlers[:] = handlers
    VersionBase.instance().version_base = base
    os.environ.clear()
    os.environ.update(environment)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(False)
        if state is not False:
            torch.set_rng_state(state)


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line on stderr."""
        assert self.err.endswith("\n"), self.err
        assert self.err.count("\n") == 1, self.err
        return self.err.rstrip("\n")


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Runs `train` or `evaluate` within this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(function, *arguments):
        monkeypatch.setattr(sys, "argv", [f"{function.__name__}.py", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            function()
        except SystemExit as end:
            code = end.code
        return Ended(code, *capsys.readouterr())

    return run


@pytest.fixture
def data(mnist_root):
    """Overrides that put the small MNIST in the place of the whole one."""
    return (f"data.root={mnist_root}", "data.val_size=50", "data.batch_size=50")


@pytest.fixture
def process():
    """Runs a program of Python in a process of its own, in a folder, with lightsweep as it is here."""

    def run(arguments, folder, **environment):
        path = os.pathsep.join([str(Path(lightsweep.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path, **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run
