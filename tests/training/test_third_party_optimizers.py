"""Optimizers of other packages, by a YAML of the project's own and `trust`."""

import re

import pytest
import torch
from schedulefree import SGDScheduleFree

from lightsweep.errors import ConfigError, Interrupted
from lightsweep.paths import RunPaths
from lightsweep.training import train
from tests.training.stopped_runs import assert_same_end
from tests.training.test_plain_loop import BASE, CLOSE, Plain

YAML = {
    "free_sgd": "schedulefree.SGDScheduleFree\nlr: 0.5\nweight_decay: 0.001\nwarmup_steps: 3",
    "free_adamw": "schedulefree.AdamWScheduleFree\nlr: 0.02\nweight_decay: 0.01",
    "their_free_adamw": "pytorch_optimizer.ScheduleFreeAdamW\nlr: 0.02\nweight_decay: 0.01",
    "their_lion": "pytorch_optimizer.Lion\nlr: 0.002\nweight_decay: 0.01",
}
TRUST = "trust=[schedulefree,pytorch_optimizer]"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """The present folder, with the YAMLs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "optimizer").mkdir(parents=True)
    for name, text in YAML.items():
        (tmp_path / "conf" / "optimizer" / f"{name}.yaml").write_text(f"_partial_: true\n_target_: {text}\n")


@pytest.mark.parametrize("optimizer", YAML)
def test_one_yaml_and_trust_are_enough(run, optimizer):
    overrides = ("model=softmax_regression", f"optimizer={optimizer}", "trainer.max_epochs=3")
    package = YAML[optimizer].partition(".")[0]

    with pytest.raises(ConfigError, match=re.escape(f"if you trust it, add its package: trust=[{package}]")):
        run(*overrides)
    assert run(*overrides, TRUST).metrics["test/acc"] > 0.6


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ("optimizer", [TRUST, "optimizer=free_sgd", "~optimizer._partial_"]),
        ("optimizer", ["optimizer._partial_=false"]),
        ("scheduler", ["scheduler=step", "scheduler._partial_=false"]),
        ("scheduler", ["scheduler=warmup_cosine", "scheduler._partial_=false"]),
    ],
)
def test_what_is_not_partial_is_told_to_be(run, group, words):
    with pytest.raises(ConfigError, match=rf"^`{group}` must have `_partial_: true` beside `_target_: .*add it to "):
        run("model=softmax_regression", *words)


@pytest.mark.parametrize(
    ("optimizer", "told"),
    [
        ("BSAM\nnum_data: 550", r" cannot go on with its settings: bSAM requires closure\.$"),
        ("AdaHessian", r" cannot go on with its settings: element 0 of tensors does not require grad"),
        ("LOMO", r": LOMO refuses its settings: 'list' object has no attribute 'parameters'$"),
    ],
)
def test_one_that_needs_what_no_step_has_is_refused_in_one_line(run, tmp_path, optimizer, told):
    name, text = optimizer.split()[0], f"_partial_: true\nlr: 0.01\n_target_: pytorch_optimizer.{optimizer}\n"
    (tmp_path / "conf" / "optimizer" / f"{name}.yaml").write_text(text)

    with pytest.raises(ConfigError, match=f"^`optimizer`{told}"):
        run("model=softmax_regression", f"optimizer={name}", TRUST)


def test_the_averages_are_validated_and_saved(run, initial, tmp_path):
    overrides = (
        *BASE[:1],
        *BASE[2:],
        "model.widths=[12,9]",
        "monitor=val/loss",
        "optimizer=free_sgd",
        "optimizer.weight_decay=0.0",
        TRUST,
    )
    result = run(*overrides, folder=tmp_path / "run")
    datamodule, model = initial(*overrides)
    plain = Plain(datamodule, model)
    optimizer = SGDScheduleFree(plain.net.parameters(), lr=0.5, warmup_steps=3)
    optimizer.train()

    plain.train(optimizer)

    stepped = {name: value.clone() for name, value in plain.net.state_dict().items()}
    optimizer.eval()
    state = torch.load(RunPaths(tmp_path / "run").last, weights_only=True)["state_dict"]
    for name, value in plain.net.state_dict().items():
        torch.testing.assert_close(state[f"net.{name}"], value, **CLOSE)
        assert not torch.allclose(state[f"net.{name}"], stepped[name]), (
            "the averages are others than the stepped weights"
        )
    split = datamodule.splits["val"]
    with torch.no_grad():
        outputs = plain.net(split.inputs.double() / 255)
    found = float(torch.nn.functional.cross_entropy(outputs, split.targets))
    assert result.metrics["val/loss"] == pytest.approx(found, rel=1e-9)


@pytest.mark.parametrize("validation", ["data.val_size=50", "data.val_size=0"])
@pytest.mark.parametrize("steps", [1, 6, 11, 12])
@pytest.mark.parametrize("optimizer", ["free_sgd", "their_free_adamw"])
def test_a_run_that_was_stopped_ends_the_same(compose, run, tmp_path, stop_after, optimizer, steps, validation):
    overrides = ("model=softmax_regression", f"optimizer={optimizer}", "trainer.max_epochs=2", validation, TRUST)
    run(*overrides, folder=tmp_path / "whole")
    stop_after(steps)
    with pytest.raises(Interrupted):
        run(*overrides, folder=tmp_path / "stopped")

    train(compose(*overrides), tmp_path / "stopped", resume=True)

    assert_same_end(tmp_path / "whole", tmp_path / "stopped")
