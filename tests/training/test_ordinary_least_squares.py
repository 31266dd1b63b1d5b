"""Gradient descent by the article: the exact gradient of the whole split, and its limit, the closed-form solution."""

import pytest
import torch

from lightsweep.paths import RunPaths

LINE = ("model=linear_regression", "data=line", "optimizer=gd", "trainer.precision=64-true", "test=false")


def weights(folder):
    state = torch.load(RunPaths(folder).last, weights_only=True)["state_dict"]
    return torch.cat([state["net.1.bias"], state["net.1.weight"][0]])


def design(datamodule):
    split = datamodule.splits["train"]
    return torch.cat([torch.ones(len(split), 1, dtype=torch.float64), split.inputs], 1), split.targets


def test_linear_regression_reaches_the_closed_form_solution(run, initial, tmp_path):
    run(*LINE, "optimizer.lr=1.0", "trainer.max_epochs=80", folder=tmp_path)

    inputs, targets = design(initial(*LINE)[0])
    solution = torch.linalg.solve(inputs.T @ inputs, inputs.T @ targets)[:, 0]
    assert (weights(tmp_path) - solution).abs().max() < 1e-6


@pytest.mark.parametrize("batch_size", [900, 100, 64, 7])
def test_gd_takes_one_step_an_epoch_along_the_exact_gradient(run, initial, tmp_path, batch_size):
    overrides = (*LINE, f"data.batch_size={batch_size}", "optimizer.lr=0.5")
    result = run(*overrides, "trainer.max_epochs=3", folder=tmp_path)

    datamodule, model = initial(*overrides)
    inputs, targets = design(datamodule)
    theta = torch.cat([model.net[1].bias, model.net[1].weight[0]]).detach()[:, None]
    for _ in range(3):
        theta = theta - 0.5 * inputs.T @ (inputs @ theta - targets) / len(inputs)
    assert (result.steps, result.epochs) == (3, 3)
    torch.testing.assert_close(weights(tmp_path), theta[:, 0], rtol=1e-13, atol=1e-14)
