"""Hydra programs whose configuration is made of dataclasses of their own."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

@dataclass
class Optimizer:
    lr: float = 0.1
    betas: list[float] = field(default_factory=lambda: [0.9, 0.99])

class Kind(Enum):
    A = 1
    B = 2

@dataclass
class Config:
    x: float = 1.0
    depth: int = 1
    kind: Kind = Kind.A
    optimizer: Optimizer = MISSING
    defaults: list[Any] = field(default_factory=lambda: ["_self_", {"optimizer": "sgd"}])

ConfigStore.instance().store("config", Config)
ConfigStore.instance().store("sgd", Optimizer, group="optimizer")

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
    done = run(overrides, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "hydra/sweeper=optuna" not in overrides or "3 complete, 0 pruned, 0 failed" in done.stdout


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("depth=choice(1,abc)", "`depth=abc` does not fit the configuration: Value 'abc' of type 'str' could not be"),
        ("depth=abc,1", "`depth=abc` does not fit the configuration: Value 'abc' of type 'str' could not be"),
        ("kind=A,C", "`kind=C` does not fit the configuration: Invalid value 'C', expected one of [A, B]"),
    ],
)
def test_choice_that_its_type_refuses_is_named_before_any_trial(line, reason, tmp_path):
    done = run((*SWEEP, line), tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert reason in done.stderr
    assert not (tmp_path / "sweep").exists()


def run(overrides, folder):
    (folder / "program.py").write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "program.py", "-m", *overrides, "hydra.sweep.dir=sweep"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
