"""NaN, infinity, an exploding gradient, epochs without batches, batch norm on one example: what a run does then."""

import json
import math

import pytest
import torch

from lightsweep.errors import ConfigError, Diverged
from lightsweep.models.tasks import Regression
from lightsweep.paths import RunPaths
from lightsweep.training.model import refuse_single_examples

LINE = ("model=linear_regression", "data=line", "optimizer=sgd")


@pytest.mark.parametrize("lr", [1e9, 1e30])
@pytest.mark.parametrize("clip", ["null", "1.0"])
def test_an_exploding_loss_ends_the_run_at_its_step(run, tmp_path, lr, clip):
    overrides = [*LINE, f"optimizer.lr={lr}", f"trainer.grad_clip={clip}", "trainer.inner_steps=4"]
    if clip != "null":
        overrides += ["data.theta=[1e30,1e30]"]

    with pytest.raises(Diverged, match=r"the training loss became (inf|nan) at step \d+") as stopped:
        run(*overrides, folder=tmp_path / "run")

    result = json.loads(RunPaths(tmp_path / "run").result.read_text())
    assert (result["status"], result["steps"]) == ("diverged", stopped.value.step)
    assert result["reason"] == str(stopped.value)


def test_the_rate_that_is_told_is_that_of_the_step_and_not_of_the_chunks_end(run):
    schedule = ("scheduler=step", "scheduler.interval=step", "scheduler.step_size=1", "scheduler.gamma=0.5")

    with pytest.raises(Diverged, match="at step") as stopped:
        run(*LINE, *schedule, "optimizer.lr=1e30", "trainer.inner_steps=8", "trainer.max_epochs=9")

    assert 0 < stopped.value.step < 7
    assert stopped.value.lr == pytest.approx(1e30 * 0.5**stopped.value.step)


def test_weights_that_explode_in_the_last_step_are_never_the_best(run, tmp_path):
    result = run(*LINE, "optimizer.lr=1e30", "trainer.max_steps=1", "test=false", folder=tmp_path / "run")

    assert result.status == "completed"
    assert not math.isfinite(result.metrics["val/loss"])
    assert result.monitored is None or math.isfinite(result.monitored)
    assert json.loads(RunPaths(tmp_path / "run").result.read_text())["val/loss"] is None


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_in_evaluation_is_told_once(run, tmp_path, monkeypatch, capsys, loss):
    trained = Regression.loss
    monkeypatch.setattr(Regression, "loss", lambda *given: trained(*given) + (0 if torch.is_grad_enabled() else loss))

    result = run(*LINE, "trainer.max_epochs=3", folder=tmp_path / "run")

    assert (result.status, result.monitored) == ("completed", None)
    assert capsys.readouterr().err == f"warning: val/loss is {loss} after epoch 1\nwarning: test/loss is {loss}\n"


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (["data.batch_size=61"], "550 training examples in batches of 61 leave a last batch of 1 example"),
        (["data.batch_size=1"], "550 training examples in batches of 1 leave batches of 1 example"),
        (
            ["data.batch_size=137", "trainer=ddp", "trainer.devices=2"],
            "550 training examples in batches of 137 leave a last batch of 2 examples, "
            "of which one of 2 processes gets 1",
        ),
    ],
)
def test_batch_norm_on_one_example_is_refused_before_training(run, tmp_path, overrides, text):
    with pytest.raises(ConfigError, match=rf"`data\.batch_size`: {text}, which batch normalisation cannot use"):
        run("model=mlp", "model.batch_norm=true", *overrides, folder=tmp_path / "run")


def test_a_setting_that_the_model_does_not_have_is_not_advised(initial):
    datamodule, model = initial("model=mlp", "model.batch_norm=true", "data.batch_size=61")

    for switch in (True, False):
        with pytest.raises(ConfigError, match="choose another size") as caught:
            refuse_single_examples(model, datamodule, switch)
        assert ("model.batch_norm=false" in str(caught.value)) == switch


def test_batch_norm_on_one_value_of_a_channel_is_one_line(run):
    filters = "model.filters=[[2],[2],[2],[2]]"  # four poolings leave one pixel of 28 × 28

    with pytest.raises(ConfigError, match=r"^batch normalisation met a batch with one value of a channel"):
        run("model=convnet", filters, "model.batch_norm=true", "data.batch_size=61", "test=false")


@pytest.mark.parametrize("overrides", [["model.batch_norm=false"], ["trainer.limit_train_batches=3"]])
def test_one_example_is_a_batch_like_any_other_elsewhere(run, overrides):
    given = ["model=mlp", "model.batch_norm=true", "data.batch_size=61", "test=false"]
    given = [word for word in given if word.partition("=")[0] not in {o.partition("=")[0] for o in overrides}]

    assert run(*given, *overrides).status == "completed"


def test_an_epoch_is_never_without_a_batch(run):
    assert run("model=softmax_regression", "trainer.limit_train_batches=0.0001", "test=false").steps == 1
