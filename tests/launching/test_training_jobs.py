"""Real training in warm forks: with loader processes, with DDP, on a GPU."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import job_functions as do
import pytest

from lightsweep.launching import Outcome
from lightsweep.launching.machine import find_gpus

PROGRAM = """
import json, sys
import hydra

@hydra.main(version_base="1.3", config_path=None)
def main(cfg):
    import torch
    import lightning.pytorch as pl
    from torch.utils.data import DataLoader, TensorDataset

    class Line(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch, index):
            return self.layer(batch[0]).square().mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=cfg.lr)

    pl.seed_everything(0)
    quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
    devices = dict(devices=cfg.devices, strategy="ddp" if cfg.devices > 1 else "auto")
    trainer = pl.Trainer(max_epochs=1, accelerator="cpu", default_root_dir=cfg.folder, **devices, **quiet)
    model = Line()
    trainer.fit(model, DataLoader(TensorDataset(torch.randn(64, 4)), batch_size=8, num_workers=cfg.loaders))
    with open(f"{cfg.folder}/{cfg.lr}-{trainer.global_rank}.json", "w") as file:
        json.dump({"world": trainer.world_size, "weight": model.layer.weight.sum().item()}, file)

if __name__ == "__main__":
    main()
"""


def train(folder: Path, *overrides: str) -> dict[str, dict]:
    """Train with two learning rates; what each process wrote at its end."""
    (folder / "program.py").write_text(PROGRAM)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LIGHTSWEEP_FAKE_GPUS": "0"}
    flags = ["-m", "hydra/launcher=local", "hydra.launcher.num_workers=2", f"+folder={folder}", "+lr=0.1,0.2"]
    command = [sys.executable, "program.py", *flags, *overrides]
    ended = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


@pytest.mark.slow
def test_jobs_train_with_loader_processes_of_their_own(tmp_path: Path) -> None:
    wrote = train(tmp_path, "+devices=1", "+loaders=1")
    assert sorted(wrote) == ["0.1-0", "0.2-0"]
    assert wrote["0.1-0"]["weight"] != wrote["0.2-0"]["weight"]


@pytest.mark.slow
def test_the_two_ddp_processes_of_a_job_train_one_set_of_parameters(tmp_path: Path) -> None:
    wrote = train(tmp_path, "+devices=2", "+loaders=0", "hydra.launcher.devices_per_job=2")
    assert sorted(wrote) == ["0.1-0", "0.1-1", "0.2-0", "0.2-1"]
    assert {entry["world"] for entry in wrote.values()} == {2}
    assert wrote["0.1-0"] == wrote["0.1-1"]
    assert wrote["0.2-0"] == wrote["0.2-1"]
    assert wrote["0.1-0"] != wrote["0.2-0"]


@pytest.mark.gpu
@pytest.mark.skipif(not find_gpus(os.environ), reason="no GPU is visible")
def test_a_forked_job_computes_on_its_gpu_and_sees_no_other(run: Callable[..., list[Outcome]]) -> None:
    outcomes = run(*[(do.compute_on_gpu,)] * 4, preload=("torch", "lightning.pytorch"), real_gpus=True, slots_per_gpu=2)
    assert [outcome.error for outcome in outcomes] == [None] * 4
    assert [outcome.value for outcome in outcomes] == [(1, 8.0)] * 4


@pytest.mark.skipif(sys.platform != "linux", reason="anonymous files are Linux's")
def test_jobs_read_their_data_once(run: Callable[..., list[Outcome]], mnist_root: Path) -> None:
    outcomes = run(*[(do.read_mnist, mnist_root)] * 3, num_slots=1, preload=("lightsweep.training.warm_run",))

    alone = do.read_mnist(mnist_root)
    assert alone[:2] == (0, 0)
    (before, size, _), *others = [outcome.value for outcome in outcomes]
    assert before == 0 < size
    assert others == [(size, size, alone[2])] * 2
