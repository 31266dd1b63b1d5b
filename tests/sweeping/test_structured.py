"""Hydra programs whose configuration is made of dataclasses of their own."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
from dataclasses import dataclass, field
import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

@dataclass
class Optimizer:
    lr: float = 0.1

@dataclass
class Config:
    x: float = 1.0
    optimizer: Optimizer = field(default_factory=Optimizer)

ConfigStore.instance().store("config", Config)

@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(cfg: Config) -> float:
    assert OmegaConf.get_type(cfg) is Config
    assert isinstance(OmegaConf.to_object(cfg).optimizer, Optimizer)
    return cfg.x**2 + cfg.optimizer.lr

if __name__ == "__main__":
    main()
"""
LOCAL = ("hydra/launcher=local", "hydra.launcher.gpus=null", "hydra.launcher.preload=[]")
SWEEP = ("hydra/sweeper=optuna", "hydra.sweeper.n_trials=3", "x=interval(-1,1)", "optimizer.lr=interval(0,1)")


@pytest.mark.parametrize("overrides", [(*LOCAL, "x=1,2"), SWEEP, (*LOCAL, *SWEEP)], ids=["grid", "sweep", "both"])
def test_classes_of_the_program_itself_are_what_they_were(overrides, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "program.py", "-m", *overrides, "hydra.sweep.dir=sweep"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "hydra/sweeper=optuna" not in overrides or "3 complete, 0 pruned, 0 failed" in done.stdout
