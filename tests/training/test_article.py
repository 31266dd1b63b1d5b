"""torch's momentum, AdaGrad and RMSProp against the article's formulas, on a quadratic in float64.

Where they differ (η outside v, ε outside the root), the difference is held to what algebra says it is.
docs/article.md quotes the numbers.
"""

import math

import pytest
import torch

from lightsweep.config import instantiate

A = torch.tensor([[3.0, 1.0], [1.0, 0.5]], dtype=torch.float64)
B = torch.tensor([2.0, 0.5], dtype=torch.float64)  # so the minimum is at (1, −1)
START = torch.tensor([4.0, -6.0], dtype=torch.float64)
STEPS = 100


def gradient(theta):
    """∇J of J(θ) = ½ θᵀAθ − Bᵀθ."""
    return A @ theta - B


def momentum(lr, beta=0.9):
    """v ← βv − η∇J, θ ← θ + v, with η(t) inside v."""
    theta, v = START.clone(), torch.zeros_like(START)
    path = []
    for step in range(STEPS):
        v = beta * v - lr(step) * gradient(theta)
        theta = theta + v
        path.append(theta)
    return torch.stack(path)


def adagrad(lr, eps):
    """G ← G + g², θ ← θ − η/√(G + ε) g, with ε inside the root."""
    theta, total = START.clone(), torch.zeros_like(START)
    path = []
    for _ in range(STEPS):
        g = gradient(theta)
        total = total + g**2
        theta = theta - lr / torch.sqrt(total + eps) * g
        path.append(theta)
    return torch.stack(path)


def rmsprop(lr, eps, rho=0.9):
    """E ← ρE + (1 − ρ)g², θ ← θ − η/√(E + ε) g, with ε inside the root."""
    theta, mean = START.clone(), torch.zeros_like(START)
    path = []
    for _ in range(STEPS):
        g = gradient(theta)
        mean = rho * mean + (1 - rho) * g**2
        theta = theta - lr / torch.sqrt(mean + eps) * g
        path.append(theta)
    return torch.stack(path)


@pytest.fixture
def torchs(compose):
    """The path that an optimizer of conf/ takes, with further settings; `lr` may be a function of the step."""

    def path(*overrides, lr=None):
        theta = START.clone().requires_grad_()
        optimizer = instantiate(compose(*overrides, small=False).optimizer)([theta])
        found = []
        for step in range(STEPS):
            if lr is not None:
                optimizer.param_groups[0]["lr"] = lr(step)
            theta.grad = gradient(theta.detach())
            optimizer.step()
            found.append(theta.detach().clone())
        return torch.stack(found)

    return path


def largest(ours, articles):
    return float((ours - articles).abs().max())


def test_momentum_is_the_articles_while_the_rate_is_constant(torchs):
    ours = torchs("optimizer=momentum", "optimizer.lr=0.05")

    assert largest(ours, momentum(lambda step: 0.05)) < 1e-13


def test_momentum_differs_when_the_rate_changes_by_the_velocity_that_torch_rescales(torchs):
    def rate(step):
        return 0.05 if step < 10 else 0.005

    ours, articles = torchs("optimizer=momentum", lr=rate), momentum(rate)

    assert largest(ours[:10], articles[:10]) < 1e-13
    velocity = articles[9] - articles[8]
    expected = 0.9 * velocity * (0.005 / 0.05 - 1)  # torch takes the new rate times the old sum of gradients
    torch.testing.assert_close(ours[10] - articles[10], expected, rtol=1e-10, atol=1e-13)
    assert largest(ours[10], articles[10]) == pytest.approx(0.256, abs=0.001)
    assert largest(ours, articles) == pytest.approx(1.713, abs=0.001)


def test_momentum_differs_little_under_a_rate_that_changes_little_by_little(torchs):
    def rate(step):
        return 0.05 * (1 + math.cos(math.pi * step / STEPS)) / 2

    ours, articles = torchs("optimizer=momentum", lr=rate), momentum(rate)

    assert largest(ours, articles) == pytest.approx(0.212, abs=0.001)
    assert largest(ours[-1], articles[-1]) == pytest.approx(0.0128, abs=0.0001)


@pytest.mark.parametrize(("name", "articles"), [("adagrad", adagrad), ("rmsprop", rmsprop)])
def test_without_epsilon_the_formulas_are_the_same(torchs, name, articles):
    ours = torchs(f"optimizer={name}", "optimizer.lr=0.01", "optimizer.eps=0")

    assert largest(ours, articles(0.01, 0.0)) < 1e-12


@pytest.mark.parametrize(
    ("name", "articles", "lr", "eps", "expected"),
    [
        ("adagrad", adagrad, 0.01, 1e-10, 5.0e-12),
        ("adagrad", adagrad, 0.1, 1e-8, 5.3e-9),
        ("rmsprop", rmsprop, 0.001, 1e-8, 1.3e-9),
        ("rmsprop", rmsprop, 0.01, 1e-8, 1.3e-7),
    ],
)
def test_epsilon_outside_the_root_moves_the_path_by_little(torchs, name, articles, lr, eps, expected):
    ours = torchs(f"optimizer={name}", f"optimizer.lr={lr}", f"optimizer.eps={eps}")

    assert largest(ours, articles(lr, eps)) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    ("size", "torchs_share", "articles_share"),
    [(1.0, 1.0, 1.0), (1e-3, 0.99999, 0.99504), (1e-4, 0.99990, 0.70711), (1e-6, 0.99010, 0.01000)],
)
def test_a_gradient_below_the_root_of_epsilon_is_where_they_part(size, torchs_share, articles_share):
    """The first AdaGrad step in units of η, for ε = 1e-8: torch's is near 1 until |g| is near ε, the article's √ε."""
    eps = 1e-8
    theta = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    theta.grad = torch.full_like(theta, size)
    torch.optim.Adagrad([theta], lr=1.0, eps=eps).step()

    assert -theta.item() == pytest.approx(torchs_share, abs=5e-6)
    assert -theta.item() == pytest.approx(size / (size + eps), rel=1e-12)
    assert size / math.sqrt(size**2 + eps) == pytest.approx(articles_share, abs=5e-6)
