"""Every optimizer trains every model, and every scheduler drives every kind of optimizer."""

import json

import pytest
import torch

from lightsweep.paths import RunPaths, conf_dir

OPTIMIZERS = sorted(path.stem for path in (conf_dir() / "optimizer").glob("*.yaml"))
SCHEDULERS = sorted(path.stem for path in (conf_dir() / "scheduler").glob("*.yaml"))
MODELS = {
    "linear_regression": ("data=line", "data.batch_size=100"),
    "logistic_regression": ("data=mnist_binary", "data.digits=[3,8]", "data.val_size=20"),
    "softmax_regression": (),
    "mlp": ("model.widths=[16,8]", "model.dropout=0.1"),
    "torchvision": ("model.name=shufflenet_v2_x0_5",),
    "convnet": ("model.filters=[4,4]", "model.batch_norm=true"),
}


def test_the_suite_covers_every_model():
    assert set(MODELS) == {path.stem for path in (conf_dir() / "model").glob("*.yaml")}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    "model", [name for name in MODELS if name != "torchvision"]
)  # float32 does not tell some of its first updates
def test_every_optimizer_changes_every_model(run, initial, tmp_path, model, optimizer):
    overrides = (f"model={model}", *MODELS[model], f"optimizer={optimizer}", "trainer.limit_train_batches=2")

    result = run(*overrides, "test=false", folder=tmp_path)

    steps = 1 if optimizer == "gd" else 2
    assert (result.status, result.steps, result.epochs) == ("completed", steps, 1)
    saved = torch.load(RunPaths(tmp_path).last, weights_only=True)
    assert saved["global_step"] == steps
    assert json.loads(RunPaths(tmp_path).result.read_text())["train/loss"] > 0
    _, before = initial(*overrides)
    for name, parameter in before.named_parameters():
        assert not torch.equal(saved["state_dict"][name], parameter), f"{name} was not trained"


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("optimizer", ["gd", "momentum", "adam", "lbfgs", "muon"])
def test_every_scheduler_drives_every_kind_of_optimizer(run, optimizer, scheduler):
    overrides = ("model=mlp", "model.widths=[8,8]", f"optimizer={optimizer}", f"scheduler={scheduler}")

    result = run(*overrides, "trainer.max_epochs=2", "trainer.limit_train_batches=3", "test=false")

    assert (result.status, result.steps) == ("completed", 2 if optimizer == "gd" else 6)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_is_tested_at_the_end(run, model):
    result = run(f"model={model}", *MODELS[model], "debug=fast_dev_run")

    assert result.steps == 1
    assert result.metrics["test/loss"] > 0
    assert ("test/acc" in result.metrics) == (model != "linear_regression")
