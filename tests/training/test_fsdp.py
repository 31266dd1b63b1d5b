"""Parameters cut up over two and four processes (gloo) give what one process gives, and the same checkpoints."""

import json
import shutil

import pytest
import torch
from torch import nn

from lightsweep import cli, compose, train
from lightsweep.cli.exporting import export
from lightsweep.config.saved import read_result
from lightsweep.errors import ConfigError
from lightsweep.paths import RunPaths, home
from lightsweep.training.refusals import raise_if_refused
from lightsweep.training.sharding import blocks
from tests.ports import free_port
from tests.training.ddp_process import train_and_stop, train_together
from tests.training.stopped_runs import equal
from tests.training.test_ddp import assert_same_board, assert_same_run

BASE = ("trainer.accelerator=cpu", "trainer.precision=64-true", "data.val_size=50", "data.eval_batch_size=20")
CASES = {  # three validation batches: neither two nor four processes have as many as each other
    "momentum": ("model=mlp", "model.widths=[8]", "optimizer.lr=0.1", "scheduler=onecycle", "trainer.inner_steps=4"),
    "convnet": ("model=convnet", "model.filters=[3,4]", "optimizer=adam", "trainer.inner_steps=4"),
    "linear": ("optimizer=gd", "trainer.max_epochs=3"),
    "accumulated": ("trainer.accumulate_grad_batches=4", "data.batch_size=30", "trainer.grad_clip=0.1"),
    "averaged": ("model=mlp", "model.widths=[8]", "trainer.ema_decay=0.9", "trainer.inner_steps=2"),
    "adagrad": ("model=mlp", "model.widths=[8]", "optimizer=adagrad"),  # has a state before its first step
    "muon": ("model=mlp", "model.widths=[12,9]", "optimizer=muon", "trainer.max_steps=1"),  # then it rounds to bfloat16
    "limited": ("trainer.limit_train_batches=3", "trainer.limit_val_batches=2"),
    "crumbs": (  # 49 = 4 × 12 + 1 validation examples: all processes but one have none of the last
        "model=convnet",
        "model.filters=[3,4]",
        "data.val_size=49",
        "data.eval_batch_size=12",
        "trainer.limit_train_batches=4",
        "logger=tensorboard",
    ),
    "board": ("model=mlp", "model.widths=[8]", "logger=tensorboard", "logger.tensorboard.histograms=true"),
}
STOPPED = ("momentum", "convnet", "averaged")
STEPS = 8
"""Optimizer steps before the runs that are stopped are; in the middle of an epoch, at the end of a Lightning step."""


def overrides_of(case, mnist_root, *more):
    chosen = {word.partition("=")[0]: word for word in (*BASE, f"data.root={mnist_root}")}
    for word in ("model=softmax_regression", "data.batch_size=50", "trainer.max_epochs=1", "logger=none"):
        chosen[word.partition("=")[0]] = word
    chosen |= {word.partition("=")[0]: word for word in (*CASES[case], *more)}
    return list(chosen.values())


@pytest.fixture(scope="module", params=[2, 4])
def group(request, made_once, mnist_root):
    """The folder of all runs, trained by two or four processes."""
    size = request.param
    fsdp = ["trainer.strategy=fsdp", f"trainer.devices={size}"]

    def fill(folder):
        todo = []

        def add(case, name, **how):
            todo.append({"overrides": overrides_of(case, mnist_root, *fsdp), "folder": str(folder / name), **how})

        for case in CASES:
            add(case, case)
        for case in STOPPED:
            add(case, f"{case}_resumed", stop_after=STEPS, goes_on=True)
            add(case, f"{case}_stopped", stop_after=STEPS, goes_on=False)
            train_and_stop(compose(overrides_of(case, mnist_root)), folder / f"{case}_begun_alone", STEPS)
            add(case, f"{case}_begun_alone", resume=True)
        train_together(todo, size, folder)

    return made_once(f"fsdp{size}", fill)


@pytest.fixture(scope="module")
def alone(tmp_path_factory, mnist_root):
    """Gives a case's run by one process."""
    folder = tmp_path_factory.mktemp("alone")

    def trained(case):
        if not (folder / case).exists():
            train(compose(overrides_of(case, mnist_root)), folder / case)
        return folder / case

    return trained


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_several_processes_give_what_one_gives(group, alone, case):
    assert_same_run(alone(case), group / case)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_checkpoint_is_that_of_one_process(group, alone, case):
    one, other = (torch.load(RunPaths(folder).last, weights_only=True) for folder in (alone(case), group / case))

    for first, second in zip(one["optimizer_states"], other["optimizer_states"], strict=True):
        assert first["state"].keys() == second["state"].keys()
        for index, values in first["state"].items():
            for name, value in values.items():
                found = second["state"][index][name]
                assert type(found) is type(value)
                torch.testing.assert_close(found, value, rtol=1e-8, atol=1e-12)
                # a fused step wants a state in its parameter's strides
                assert found.is_contiguous() == value.is_contiguous() or 1 in value.shape
    assert one.keys() == other.keys()


@pytest.mark.slow
@pytest.mark.parametrize("case", ["board", "crumbs"])
def test_the_board_tells_of_the_whole_network(group, alone, case):
    assert_same_board(alone(case), group / case)


@pytest.mark.slow
@pytest.mark.parametrize("case", STOPPED)
def test_a_run_that_was_stopped_within_an_epoch_ends_the_same_to_the_bit(group, case):
    one, other = (
        torch.load(RunPaths(folder).last, weights_only=True) for folder in (group / case, group / f"{case}_resumed")
    )

    for key in ("state_dict", "optimizer_states", "lr_schedulers", "loops", "global_step"):
        assert equal(one[key], other[key]), key


@pytest.mark.slow
@pytest.mark.parametrize("case", STOPPED)
def test_one_process_goes_on_with_a_run_of_several_and_the_other_way_round(group, alone, mnist_root, tmp_path, case):
    shutil.copytree(group / f"{case}_stopped", tmp_path / "run")
    assert read_result(RunPaths(tmp_path / "run"))["steps"] == STEPS

    train(compose(overrides_of(case, mnist_root)), tmp_path / "run", resume=True)

    assert_same_run(alone(case), tmp_path / "run")
    assert_same_run(alone(case), group / f"{case}_begun_alone")


@pytest.mark.slow
@pytest.mark.parametrize("starter", ["lightning", "torchrun"])
def test_the_command_trains_and_other_commands_use_what_it_leaves(starter, command, process, mnist_root, tmp_path):
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port", str(free_port())]
    words = ["trainer=fsdp", "model=mlp", "trainer.devices=2", "trainer.accelerator=cpu", "trainer.max_epochs=1",
             f"data.root={mnist_root}", "data.val_size=50", "data.batch_size=50", "hydra.run.dir=run"]  # fmt: skip

    trained = process([*(torchrun if starter == "torchrun" else ()), home() / "train.py", *words], tmp_path)

    assert trained.returncode == 0, trained.stdout + trained.stderr
    result = json.loads(RunPaths(tmp_path / "run").result.read_text())
    assert (result["status"], result["steps"]) == ("completed", 11)
    if starter == "lightning":
        evaluated = command(cli.evaluate, "run=run")
        assert (evaluated.code, evaluated.err) == (0, "")
        assert f"{result['test/acc']:.4f}" in evaluated.out
        assert command(export, "run=run").code == 0


def test_what_cannot_be_cut_up_is_refused_in_one_line(compose, run):
    fsdp = ("trainer=fsdp", "trainer.devices=2", "model=softmax_regression")
    with pytest.raises(ConfigError, match=r"^`optimizer=lbfgs` needs whole gradients: use trainer\.strategy=ddp, or"):
        run(*fsdp, "optimizer=lbfgs")
    with pytest.raises(
        ConfigError, match=r"for each of 2 processes, but a batch has 1: choose another data.batch_size"
    ):
        run(*fsdp, "data.batch_size=61")


class Tied(nn.Module):
    """Two layers that share their weights."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight


def test_blocks_are_the_children_that_have_parameters():
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.ReLU())
    listed = nn.Module()
    listed.layers, listed.head = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)]), nn.Linear(4, 1)

    assert list(blocks(net)) == [net[1]]
    listed.scales = nn.ParameterList([nn.Parameter(torch.ones(1))])
    listed.stages = nn.ModuleDict({"a": nn.ModuleList([nn.Linear(1, 1)])})

    assert list(blocks(listed)) == [*listed.layers, listed.head, *listed.stages["a"]]
    assert list(blocks(Tied())) == []


def test_parameters_that_are_read_in_pieces_are_told_of(compose):
    mixed = RuntimeError("aten.mul.Tensor got mixed torch.Tensor and DTensor, need to convert all torch.Tensor to")

    with pytest.raises(
        ConfigError, match=r"^`trainer\.strategy=fsdp`: the network reads a part's parameters outside this"
    ):
        raise_if_refused(mixed, compose(), first_step=True)
