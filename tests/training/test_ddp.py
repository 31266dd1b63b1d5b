"""Two and four processes (gloo) give what one gives at the same global batch; they are started once, for all cases."""

import csv
import json
import os
import subprocess
import sys

import pytest
import torch

from lightsweep.paths import RunPaths, home
from tests.ports import free_port
from tests.training.ddp_process import train_together

BASE = ("trainer.accelerator=cpu", "trainer.max_epochs=2", "trainer.precision=64-true")
CASES = {
    "momentum": ("model=mlp", "model.widths=[8]", "optimizer.lr=0.1"),
    "convnet": ("model.filters=[3,4]", "optimizer.lr=0.1"),
    "short_last_batch": ("model=softmax_regression", "data.batch_size=61"),  # 550 = 9 × 61 + 1: one process has none
    "limited": ("model=softmax_regression", "trainer.limit_train_batches=3", "trainer.limit_val_batches=2"),
    "accumulated": ("model=softmax_regression", "trainer.accumulate_grad_batches=4", "data.batch_size=30"),
    "clipped": ("model=softmax_regression", "trainer.grad_clip=0.1", "optimizer=adam", "scheduler=cosine"),
    "scaled": ("model=softmax_regression", "trainer.lr_batch_size=10", "scheduler=onecycle"),
    "gd": ("model=softmax_regression", "optimizer=gd"),
    "lbfgs": ("model=softmax_regression", "optimizer=lbfgs"),
    "ema": ("model=softmax_regression", "trainer.ema_decay=0.9", "trainer.inner_steps=2"),
    "board": ("model=softmax_regression", "logger=tensorboard"),
    "metrics": ("model=softmax_regression", "metrics=[f1,auroc]", "monitor=val/f1"),
    "metrics_short": ("model=softmax_regression", "metrics=[auroc]", "data.eval_batch_size=49"),  # val: 49 and 1
    "line": ("model=linear_regression", "data=line"),
}


def overrides_of(case, mnist_root):
    chosen = list(CASES[case])
    if case != "line":
        chosen += [f"data.root={mnist_root}", "data.val_size=50"]
        chosen += [] if any(word.startswith("data.eval_batch") for word in chosen) else ["data.eval_batch_size=20"]
        chosen += [] if any(word.startswith("data.batch_size") for word in chosen) else ["data.batch_size=50"]
    chosen += [] if any(word.startswith("logger=") for word in chosen) else ["logger=none"]
    return [*BASE, *chosen]


@pytest.fixture(scope="module", params=[2, pytest.param(4, marks=pytest.mark.slow)])
def group(request, made_once, mnist_root):
    """The folder with one run for each case, trained by two or four processes."""
    size = request.param
    ddp = ["trainer.strategy=ddp", f"trainer.devices={size}"]

    def fill(folder):
        words = {case: [*overrides_of(case, mnist_root), *ddp] for case in CASES}
        cases = [{"overrides": overrides, "folder": str(folder / case)} for case, overrides in words.items()]
        train_together(cases, size, folder)

    return made_once(f"ddp{size}", fill)


def test_a_run_goes_on_with_what_each_process_had_of_its_own(mnist_root, tmp_path):
    cases = {
        "buffers": ("+model={_target_: tests.training.ddp_process.Centred}", "~model", "trust=[tests]", "trainer=ddp"),
        "averages": ("model=mlp", "model.widths=[8]", "model.batch_norm=true", "trainer.ema_decay=0.9", "trainer=fsdp"),
    }
    more = ("trainer.devices=2", f"data.root={mnist_root}", "data.val_size=50", "data.batch_size=50", "logger=none")
    todo = []
    for case, words in cases.items():
        whole = {"overrides": [*BASE, *words, *more, "trainer.inner_steps=2"], "folder": str(tmp_path / case)}
        todo += [whole, {**whole, "folder": f"{tmp_path / case}_stopped", "stop_after": 4, "goes_on": True}]
    train_together(todo, 2, tmp_path)

    for case in cases:
        one, other = (
            torch.load(RunPaths(tmp_path / name).last, weights_only=True)["state_dict"]
            for name in (case, f"{case}_stopped")
        )
        assert one.keys() == other.keys()
        assert not [name for name in one if not torch.equal(one[name], other[name])], case


@pytest.fixture(params=CASES)
def both(request, group, mnist_root, tmp_path):
    """A case's run by one process and by several."""
    from lightsweep import compose, train

    train(compose(overrides_of(request.param, mnist_root)), tmp_path)
    return tmp_path, group / request.param


def test_several_processes_give_what_one_gives(both):
    assert_same_run(*both)


def assert_same_run(*both):
    """Two runs end with the same weights, results and rows of metrics."""
    alone, together = (torch.load(RunPaths(folder).last, weights_only=True) for folder in both)

    assert alone["global_step"] == together["global_step"]
    for name, tensor in alone["state_dict"].items():
        torch.testing.assert_close(together["state_dict"][name], tensor, rtol=1e-9, atol=1e-12)

    results = [json.loads(RunPaths(folder).result.read_text()) for folder in both]
    for name in ("train/loss", "train/acc", "val/loss", "val/acc", "test/loss", "test/acc"):
        if results[0][name] is None:
            assert results[1][name] is None
        else:
            assert results[1][name] == pytest.approx(results[0][name], rel=1e-9), name
    own = {name for result in results for name in result if name.endswith(("/f1", "/auroc"))}
    for name in own:  # in float32
        assert results[1][name] == pytest.approx(results[0][name], rel=1e-6), name
    for name in ("status", "steps", "epochs", "monitor"):
        assert results[1][name] == results[0][name], name

    alone, together = (_rows(folder) for folder in both)
    assert len(alone) == len(together), "one process alone writes"
    for one, other in zip(alone, together, strict=True):
        assert other == pytest.approx(one, rel=1e-9)


def _rows(folder):
    with RunPaths(folder).metrics.open() as file:
        rows = list(csv.DictReader(file))
    return [{key: float(value) for key, value in row.items() if value and key != "seconds"} for row in rows]


def test_one_process_alone_writes_the_board_and_it_tells_of_all_examples(group, mnist_root, tmp_path):
    from lightsweep import compose, train

    train(compose(overrides_of("board", mnist_root)), tmp_path)

    assert_same_board(tmp_path, group / "board")


def assert_same_board(*both):
    """Two runs' event files hold the same, but for times."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    alone, together = (EventAccumulator(str(RunPaths(folder).tensorboard)).Reload() for folder in both)
    assert alone.Tags() == together.Tags()
    for tag in alone.Tags()["scalars"]:
        one, other = alone.Scalars(tag), together.Scalars(tag)
        assert [event.step for event in other] == [event.step for event in one], tag
        if not tag.startswith("time/"):
            assert [event.value for event in other] == pytest.approx([event.value for event in one], rel=1e-5), tag
    for tag in ("test/classes", "custom_scalars__config__"):
        (one,), (other,) = alone.Tensors(tag), together.Tensors(tag)
        assert other.tensor_proto == one.tensor_proto
    for tag in ("test/confusion_matrix", "test/mistakes"):
        (one,), (other,) = alone.Images(tag), together.Images(tag)
        assert other.encoded_image_string == one.encoded_image_string


def test_each_process_draws_random_numbers_of_its_own(group):
    states = torch.load(RunPaths(group / "momentum").last, weights_only=True)["callbacks"]["Conductor"]["random"]

    assert len({bytes(state["torch"]) for state in states}) == len(states)
    assert len({str(state["numpy"]) for state in states}) == len(states)
    assert len({str(state["python"]) for state in states}) == len(states)


@pytest.mark.slow
@pytest.mark.parametrize("starter", ["torchrun", "nodes"])
def test_processes_that_others_start_train_one_run_in_one_folder(starter, mnist_root, tmp_path):
    """By torchrun, and by hand on two nodes: the way of MASTER_ADDR and NODE_RANK."""
    train = [str(home() / "train.py"), "model=softmax_regression", "logger=none", "trainer.accelerator=cpu",
             f"data.root={mnist_root}", "data.val_size=50", "data.batch_size=50", "trainer.max_epochs=1",
             "trainer=ddp"]  # fmt: skip
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "MASTER_ADDR": "127.0.0.1",
               "MASTER_PORT": str(free_port())}  # fmt: skip
    if starter == "torchrun":
        run = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port", str(free_port())]
        commands = [([*run, *train, "trainer.devices=2"], {})]
    else:
        one = [sys.executable, *train, "trainer.devices=1", "trainer.num_nodes=2"]
        commands = [(one, {"NODE_RANK": str(node)}) for node in range(2)]
    processes = [
        subprocess.Popen(command, cwd=tmp_path, env=environ | extra, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for command, extra in commands
    ]
    outputs = [process.communicate(timeout=300)[0].decode() for process in processes]

    assert [process.returncode for process in processes] == [0] * len(processes), "\n".join(outputs)
    (result,) = (tmp_path / "outputs").rglob("result.json")
    found = json.loads(result.read_text())
    assert (found["status"], found["steps"]) == ("completed", 11)
    assert found["test/acc"] > 0.5
    assert [path.parent for path in (tmp_path / "outputs").rglob(".hydra")] == [result.parent]


@pytest.mark.slow
def test_each_run_of_a_grid_starts_processes_of_its_own(process, mnist_root, tmp_path):
    """They would compose the whole grid, and leave a folder of it."""
    words = ["-m", "seed=0,1", "model=softmax_regression", "logger=none", "trainer=ddp", "trainer.devices=2",
             "trainer.accelerator=cpu", "trainer.max_epochs=1", f"data.root={mnist_root}", "data.val_size=50",
             "data.batch_size=50"]  # fmt: skip

    ended = process([home() / "train.py", *words], tmp_path)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert [line.partition("#")[2][:3] for line in ended.stdout.splitlines() if "[HYDRA] \t#" in line] == ["0 :", "1 :"]
    (grid,) = (tmp_path / "outputs" / "sweeps").iterdir()
    found = [json.loads(RunPaths(grid / str(number)).result.read_text()) for number in (0, 1)]
    assert [(result["status"], result["seed"]) for result in found] == [("completed", 0), ("completed", 1)]
    assert found[0]["test/loss"] != found[1]["test/loss"]
