"""Processes that would take the machine down, or would wait for ever, are refused before one is started."""

import os

import pytest
from lightning.fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_only

from lightsweep.errors import ConfigError
from lightsweep.launching import machine
from lightsweep.screen import many
from lightsweep.training.starting import refuse_unstartable
from lightsweep.training.trainer import processes_of_slurm


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


def test_a_single_run_in_one_of_several_processes_is_refused_as_nobody_would_write_its_result(monkeypatch):
    alone = Trainer(accelerator="cpu", devices=1, logger=False, enable_checkpointing=False)
    refuse_unstartable(alone, {"RANK": "0"})

    monkeypatch.setattr(rank_zero_only, "rank", 2)
    text = r"^this process is number 2 of several, by RANK, SLURM_PROCID, .* unset RANK, SLURM_PROCID$"
    with pytest.raises(ConfigError, match=text):
        refuse_unstartable(alone, {"SLURM_PROCID": "2", "RANK": "2", "HOME": "/"})
    refuse_unstartable(trainer(4), {"RANK": "2"})


def test_a_slurm_job_whose_tasks_are_not_given_by_node_is_refused(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    for name, value in {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "train"}.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ConfigError, match=r"^the SLURM job has `--ntasks=4`: give --ntasks-per-node .* SLURM_NTASKS "):
        processes_of_slurm(os.environ)

    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "4")
    [starter] = processes_of_slurm(os.environ)
    assert starter.creates_processes_externally
