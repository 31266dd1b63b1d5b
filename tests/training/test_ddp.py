"""Two processes (gloo) give what one gives at the same global batch; they are started once, for all cases."""

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lightsweep.paths import RunPaths

BASE = ("trainer.accelerator=cpu", "trainer.max_epochs=2", "trainer.precision=64-true")
DDP = ("trainer.strategy=ddp", "trainer.devices=2")
CASES = {
    "momentum": ("model=mlp", "model.widths=[8]", "optimizer.lr=0.1"),
    "convnet": ("model.filters=[3,4]", "optimizer.lr=0.1"),
    "short_last_batch": ("model=softmax_regression", "data.batch_size=61"),  # 550 = 9 × 61 + 1: one process has none
    "limited": ("model=softmax_regression", "trainer.limit_train_batches=3", "trainer.limit_val_batches=2"),
    "accumulated": ("model=softmax_regression", "trainer.accumulate_grad_batches=4", "data.batch_size=30"),
    "clipped": ("model=softmax_regression", "trainer.grad_clip=0.1", "optimizer=adam", "scheduler=cosine"),
    "gd": ("model=softmax_regression", "optimizer=gd"),
    "lbfgs": ("model=softmax_regression", "optimizer=lbfgs"),
    "ema": ("model=softmax_regression", "trainer.ema_decay=0.9", "trainer.inner_steps=2"),
    "board": ("model=softmax_regression", "logger=tensorboard"),
    "line": ("model=linear_regression", "data=line"),
}


def overrides_of(case, mnist_root):
    chosen = list(CASES[case])
    if case != "line":
        chosen += [f"data.root={mnist_root}", "data.val_size=50", "data.eval_batch_size=20"]
        chosen += [] if any(word.startswith("data.batch_size") for word in chosen) else ["data.batch_size=50"]
    chosen += [] if any(word.startswith("logger=") for word in chosen) else ["logger=none"]
    return [*BASE, *chosen]


@pytest.fixture(scope="module")
def pair(tmp_path_factory, mnist_root):
    """The folder with one run for each case, trained by two processes."""
    folder = tmp_path_factory.mktemp("ddp")
    cases = [{"overrides": [*overrides_of(case, mnist_root), *DDP], "folder": str(folder / case)} for case in CASES]
    (folder / "cases.json").write_text(json.dumps(cases))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    import lightsweep

    shared = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "NODE_RANK": "0",
        "PYTHONPATH": os.pathsep.join([str(Path(lightsweep.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, str(Path(__file__).with_name("ddp_process.py")), str(folder / "cases.json")]
    processes = [
        subprocess.Popen(
            command,
            env={**os.environ, **shared, "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = []
    try:
        for process in processes:
            outputs.append(process.communicate(timeout=300)[0])
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
    return folder


@pytest.fixture(params=CASES)
def both(request, pair, mnist_root, tmp_path):
    """A case's run by one process and by two."""
    from lightsweep import compose, train

    train(compose(overrides_of(request.param, mnist_root)), tmp_path)
    return tmp_path, pair / request.param


def test_two_processes_give_what_one_gives(both):
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


def test_one_process_alone_writes_the_board_and_it_tells_of_all_examples(pair, mnist_root, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from lightsweep import compose, train

    train(compose(overrides_of("board", mnist_root)), tmp_path)

    alone, together = (
        EventAccumulator(str(RunPaths(folder).tensorboard)).Reload() for folder in (tmp_path, pair / "board")
    )
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
