"""What two processes (gloo) keep apart, they bring together, and each goes on with its own where a run is resumed."""

import pytest
import torch
from torch import nn

from lightsweep import compose
from lightsweep.config.saved import read_result
from lightsweep.paths import RunPaths
from lightsweep.training.build import build
from lightsweep.training.clock import Clock
from lightsweep.training.sharding import load_weights
from lightsweep.training.signals import StopRequest
from lightsweep.training.synchronizing import bring_together, running_statistics
from tests.training.ddp_process import train_together
from tests.training.stopped_runs import equal

NORMED = ("model=mlp", "model.widths=[8]", "model.batch_norm=true", "optimizer.lr=0.1")
CASES = {  # a process has 28 or 27 examples of a batch, and so draws more or fewer numbers for dropout
    "normed": NORMED,
    "averaged": (*NORMED, "trainer.ema_decay=0.5"),
    "dropout": (*NORMED, "model.dropout=0.5", "trainer.ema_decay=0.5"),
    "cut_up": (*NORMED, "model.dropout=0.5", "trainer.strategy=fsdp"),
}
RESUMED = ("dropout", "cut_up")


def overrides_of(case, mnist_root):
    chosen = ["trainer.accelerator=cpu", "trainer.max_epochs=1", "trainer.devices=2", "trainer.inner_steps=3",
              f"data.root={mnist_root}", "data.val_size=50", "data.batch_size=55", "data.eval_batch_size=20",
              "logger=none", "test=false", "trainer.strategy=ddp"]  # fmt: skip
    return [*chosen, *CASES[case]]


@pytest.fixture(scope="module")
def group(tmp_path_factory, mnist_root):
    """The folder of all runs, each trained by two processes."""
    folder = tmp_path_factory.mktemp("processes")
    runs = [{"overrides": overrides_of(case, mnist_root), "folder": str(folder / case)} for case in CASES]
    for case in RESUMED:
        stopped = {"folder": str(folder / f"{case}_resumed"), "stop_after": 5, "goes_on": True}
        runs.append({"overrides": overrides_of(case, mnist_root), **stopped})
    train_together(runs, 2, folder)
    return folder


@pytest.mark.parametrize("case", CASES)
def test_the_network_that_is_saved_is_the_one_that_was_validated(group, mnist_root, tmp_path, case):
    cfg = compose([*overrides_of(case, mnist_root), "trainer.strategy=auto", "trainer.devices=1"])
    parts = build(cfg, RunPaths(tmp_path), Clock(), StopRequest())
    load_weights(parts.model, torch.load(RunPaths(group / case).last, weights_only=True)["state_dict"])
    parts.trainer.validate(parts.model, datamodule=parts.datamodule, verbose=False)

    result = read_result(RunPaths(group / case))
    assert parts.model.evaluated["val/loss"] == pytest.approx(result["val/loss"], rel=1e-5)
    assert parts.model.evaluated["val/acc"] == result["val/acc"]


@pytest.mark.parametrize("case", RESUMED)
def test_a_run_that_was_stopped_ends_the_same_to_the_bit(group, case):
    one, other = (torch.load(RunPaths(group / name).last, weights_only=True) for name in (case, f"{case}_resumed"))

    for key in ("state_dict", "optimizer_states", "loops", "global_step"):
        assert equal(one[key], other[key]), key
    (first, second), (third, fourth) = (
        next(v for k, v in checkpoint["callbacks"].items() if k.startswith("Conductor"))["random"]
        for checkpoint in (one, other)
    )
    assert not torch.equal(first["torch"], second["torch"]), "the case must draw unequally often"
    assert equal((first, second), (third, fourth))


@pytest.fixture
def other(monkeypatch):
    """Stands for a second process; its part of the message is added to this one's."""
    part = {}

    def all_reduce(flat):
        flat += part["flat"] if "flat" in part else torch.zeros_like(flat)

    monkeypatch.setattr(torch.distributed, "all_reduce", all_reduce)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    return part


def test_a_parameter_without_a_gradient_on_any_process_keeps_none(other):
    used, elsewhere, unused = (nn.Parameter(torch.ones(2)) for _ in range(3))
    used.grad = torch.tensor([1.0, 2.0])
    other["flat"] = torch.tensor([0.5, 1, 1, 0, 10, 20, 3, 4, 0, 0])  # loss, who has a gradient, and the three

    loss = bring_together(torch.tensor(0.25), [used, elsewhere, unused], [])

    assert loss == 0.75
    assert used.grad.tolist() == [11, 22]
    assert elsewhere.grad.tolist() == [3, 4]
    assert unused.grad is None


def test_running_statistics_are_averaged(other):
    norm = nn.BatchNorm1d(2)
    norm.running_mean.copy_(torch.tensor([1.0, 2.0]))
    other["flat"] = torch.tensor([0.0, 3, 4, 3, 3])

    bring_together(torch.tensor(0.0), [], running_statistics(nn.Sequential(norm)))

    assert norm.running_mean.tolist() == [2, 3]
    assert norm.running_var.tolist() == [2, 2]
