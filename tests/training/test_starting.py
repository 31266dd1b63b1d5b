"""Processes that would take the machine down, or would wait for ever, are refused before one is started."""

import pytest
from lightning.fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from lightning.pytorch import Trainer

from lightsweep.errors import ConfigError
from lightsweep.launching import machine
from lightsweep.screen import many
from lightsweep.training.starting import refuse_unstartable


def trainer(devices=1, num_nodes=1, environment=LightningEnvironment):
    """Nothing is started before it fits."""
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return Trainer(
        accelerator="cpu", strategy="ddp", devices=devices, num_nodes=num_nodes, plugins=[environment()], **quiet
    )


@pytest.mark.parametrize(("cores", "most"), [(1, 8), (2, 8), (6, 12)])
def test_more_processes_than_a_cpu_can_hold_are_refused(monkeypatch, cores, most):
    monkeypatch.setattr(machine, "count_cores", lambda: cores)

    refuse_unstartable(trainer(most), {})
    there = many(cores, "core")
    text = rf"^`trainer\.devices` must be at most {most} processes on this machine's {there} but got {most + 1}$"
    with pytest.raises(ConfigError, match=text):
        refuse_unstartable(trainer(most + 1), {})


def test_machines_on_which_nobody_starts_the_command_are_refused():
    with pytest.raises(
        ConfigError, match=r"^`trainer\.num_nodes=5` needs .* torchrun or srun, .* docs/scale-out\.md, DDP$"
    ):
        refuse_unstartable(trainer(num_nodes=5), {})

    refuse_unstartable(trainer(num_nodes=5), {"MASTER_ADDR": "10.0.0.1"})
    refuse_unstartable(trainer(num_nodes=5), {"NODE_RANK": "0"})


def test_processes_that_are_there_already_are_not_counted(monkeypatch):
    for name in ("LOCAL_RANK", "RANK"):  # as torchrun sets them
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("WORLD_SIZE", "32")
    monkeypatch.setattr(machine, "count_cores", lambda: 1)

    refuse_unstartable(trainer(16, num_nodes=2), {})
    refuse_unstartable(trainer(16, num_nodes=2, environment=TorchElasticEnvironment), {})
