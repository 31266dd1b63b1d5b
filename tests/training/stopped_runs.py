"""What a run that was stopped is compared by with one that never was."""

import torch
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util.tensor_util import make_ndarray

from lightsweep.config.saved import read_result
from lightsweep.paths import RunPaths
from tests.training.test_determinism import EVERYTHING, differing, metrics_of, state_of

CASES = {
    "everything": (*EVERYTHING, "logger=tensorboard"),
    "epochs": (
        "model=softmax_regression",
        "scheduler=plateau",
        "scheduler.patience=0",
        "early_stopping.patience=3",
        "trainer.max_epochs=3",
        "trainer.log_every_n_steps=4",
    ),
    "no_validation": ("model=softmax_regression", "data.val_size=0", "optimizer=adam", "trainer.max_epochs=2"),
    "often": (
        "model=softmax_regression",
        "logger=tensorboard",
        "trainer.max_epochs=2",
        "trainer.checkpoint_every_n_steps=4",
        "trainer.log_every_n_steps=6",
    ),
    "float64": (
        "model=softmax_regression",
        "optimizer=nadam",  # which keeps a float32 beside them
        "trainer.precision=64-true",
        "trainer.max_epochs=2",
    ),
    "full_batch": ("model=softmax_regression", "optimizer=gd", "trainer.max_epochs=4"),
}


def equal(first, second):
    """Whether two trees of plain data and tensors are the same, to the bit."""
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(first[key], second[key]) for key in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(equal(a, b) for a, b in zip(first, second, strict=True))
    return first == second


def assert_same_end(one, other):
    first, second = state_of(one), state_of(other)
    assert not differing(first["state_dict"], second["state_dict"])
    for key in ("optimizer_states", "lr_schedulers", "loops", "global_step"):
        assert equal(first[key], second[key]), key
    states = [next(v for k, v in c["callbacks"].items() if k.startswith("Conductor")) for c in (first, second)]
    assert equal(*[{k: v for k, v in state.items() if k != "seconds"} for state in states])
    assert metrics_of(one) == metrics_of(other)
    results = [read_result(RunPaths(folder)) for folder in (one, other)]
    for result in results:
        for key in ("seconds", "samples_per_second", "seconds_by_part"):
            result.pop(key)
    assert results[0] == results[1]


def events_of(folder):
    """What TensorBoard's files hold, one after the other: tag, step and value of each scalar that is no time."""
    found = []
    for path in sorted(RunPaths(folder).tensorboard.glob("events*"), key=lambda path: path.stat().st_mtime_ns):
        for event in EventFileLoader(str(path)).Load():
            found += [
                (v.tag, event.step, make_ndarray(v.tensor).item())
                for v in event.summary.value
                if v.metadata.plugin_data.plugin_name == "scalars" and not v.tag.startswith("time/")
            ]
    return found
