"""The same seed gives the same bits, however many steps Lightning hands over at once."""

import csv

import pytest
import torch

from lightsweep.errors import Diverged
from lightsweep.models.tasks import Multiclass
from lightsweep.paths import RunPaths

EVERYTHING = (
    "model=mlp",
    "model.widths=[16]",
    "model.dropout=0.2",
    "model.batch_norm=true",
    "data.shift=1",
    "data.batch_size=40",  # 550 examples: thirteen batches and one of thirty
    "optimizer=adam",
    "optimizer.weight_decay=0.01",
    "scheduler=onecycle",
    "trainer.max_epochs=2",
    "trainer.accumulate_grad_batches=2",
    "trainer.grad_clip=1.0",
    "trainer.ema_decay=0.9",
    "trainer.precision=32-true",
    "trainer.log_every_n_steps=4",
)
CASES = {
    "softmax": ("model=softmax_regression", "optimizer=sgd"),
    "convnet": ("model.filters=[4,4]", "trainer.precision=32-true"),
    "bf16": ("model.filters=[4,4]", "trainer.precision=bf16-mixed"),
    "lbfgs": ("model=softmax_regression", "optimizer=lbfgs"),
    "everything": EVERYTHING,
}


def state_of(folder):
    return torch.load(RunPaths(folder).last, weights_only=True)


def metrics_of(folder):
    """Rows of metrics.csv without the time they were written at."""
    with RunPaths(folder).metrics.open() as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def differing(first, second):
    """Names of the tensors that are not bit-identical."""
    assert first.keys() == second.keys()
    return [name for name in first if not torch.equal(first[name], second[name])]


@pytest.mark.parametrize("case", CASES)
def test_a_rerun_is_bit_identical(run, tmp_path, case):
    one, other = (run(*CASES[case], folder=tmp_path / name) for name in "ab")

    assert not differing(state_of(tmp_path / "a")["state_dict"], state_of(tmp_path / "b")["state_dict"])
    assert one.metrics == other.metrics
    assert metrics_of(tmp_path / "a") == metrics_of(tmp_path / "b")


@pytest.mark.parametrize("case", ["softmax", "everything"])
def test_another_seed_gives_another_run(run, tmp_path, case):
    one, other = (run(*CASES[case], f"seed={seed}", folder=tmp_path / str(seed)) for seed in (0, 1))

    assert differing(state_of(tmp_path / "0")["state_dict"], state_of(tmp_path / "1")["state_dict"])
    assert one.metrics["train/loss"] != other.metrics["train/loss"]


@pytest.mark.parametrize("case", CASES)
def test_inner_steps_change_no_bit(run, tmp_path, case):
    inner = ["1", "3", "null"]
    for steps in inner:
        run(*CASES[case], f"trainer.inner_steps={steps}", folder=tmp_path / steps)

    reference = state_of(tmp_path / "1")
    for steps in inner[1:]:
        found = state_of(tmp_path / steps)
        assert not differing(reference["state_dict"], found["state_dict"])
        assert found["global_step"] == reference["global_step"]
        for one, other in zip(reference["optimizer_states"], found["optimizer_states"], strict=True):
            assert str(one) == str(other)
    last = [metrics_of(tmp_path / steps)[-1] for steps in inner]
    assert last[0] == last[1] == last[2]


def test_inner_steps_log_the_same_rows(run, tmp_path):
    for steps in ("1", "null"):
        run(*EVERYTHING, f"trainer.inner_steps={steps}", folder=tmp_path / steps)

    assert metrics_of(tmp_path / "1") == metrics_of(tmp_path / "null")


@pytest.mark.parametrize("inner", ["1", "4", "null"])
@pytest.mark.parametrize("max_steps", [1, 5, 11, 13])
def test_max_steps_ends_at_that_step_with_validation_and_checkpoint(run, tmp_path, max_steps, inner):
    result = run(
        "model=softmax_regression",
        "trainer.max_epochs=-1",
        f"trainer.max_steps={max_steps}",
        f"trainer.inner_steps={inner}",
        folder=tmp_path,
    )

    assert (result.steps, result.status) == (max_steps, "completed")
    assert state_of(tmp_path)["global_step"] == max_steps
    assert result.metrics["val/acc"] > 0
    assert RunPaths(tmp_path).best.is_file()


@pytest.mark.parametrize("inner", ["1", "3", "null"])
def test_a_diverged_loss_names_its_step_whatever_the_chunk(run, tmp_path, inner):
    # the error grows a billionfold a step, its square leaves float32 (3e38) after 1, 1e18 and 1e35
    overrides = ("model=linear_regression", "data=line", "optimizer=sgd", "optimizer.lr=1e9", "data.batch_size=100")

    with pytest.raises(
        Diverged, match=r"^the training loss became (inf|nan) at step 3 with lr 1e\+09; the last finite"
    ) as caught:
        run(*overrides, f"trainer.inner_steps={inner}", folder=tmp_path)

    assert (caught.value.step, caught.value.lr) == (3, 1e9)
    assert caught.value.last_finite_loss > 1e30


@pytest.mark.parametrize(("batch", "step"), [(4, 0), (5, 1), (8, 1), (9, 2)])
def test_a_diverged_loss_names_its_step_where_the_last_group_is_short(run, monkeypatch, batch, step):
    original, calls = Multiclass.loss, []

    def loss(self, outputs, targets):
        calls.append(1)
        return original(self, outputs, targets) * (float("nan") if len(calls) == batch else 1)

    monkeypatch.setattr(Multiclass, "loss", loss)
    accumulated = (
        "trainer.accumulate_grad_batches=4",
        "data.batch_size=62",
    )  # nine batches: steps of four, four and one

    with pytest.raises(Diverged, match=rf"^the training loss became nan at step {step} "):
        run("model=softmax_regression", *accumulated)
