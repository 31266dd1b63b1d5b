"""The plots of docs/article.md: one function a plot, which the file is named after."""

import csv
from collections import defaultdict

import torch
from figure import COLOURS, GREY, axes, save
from runs import choice, curve, each, made, setting
from torch import Tensor

from lightsweep import compose
from lightsweep.config import instantiate


def descent() -> None:
    """Gradient descent on the line: the loss for several rates."""
    folder = made(
        "python train.py -m model=linear_regression data=line optimizer=gd optimizer.lr=0.1,0.5,1,1.5,1.9 "
        "trainer.max_epochs=40 logger=none hydra.sweep.dir=outputs/article/descent"
    )
    figure, plot = axes()
    for run in each(folder):
        plot.plot(*curve(run, "train/loss"), label=f"η = {setting(run, 'optimizer.lr')}")
    plot.set(xlabel="step (one gradient over all 900 examples)", ylabel="J", yscale="log")
    plot.legend()
    save(figure, "descent")


def digits() -> None:
    """What softmax regression looks for: a weight for each pixel."""
    run = made(
        "python train.py model=softmax_regression optimizer=sgd optimizer.lr=0.1 data.mean=0 data.std=1 "
        "optimizer.weight_decay=0.001 trainer.max_epochs=2 logger=none hydra.run.dir=outputs/article/softmax"
    )
    weights = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]["net.1.weight"]
    figure, plots = axes(2, 5, height=3.6)
    largest = float(weights.abs().max())
    for digit, plot in enumerate(plots):
        plot.imshow(weights[digit].reshape(28, 28), cmap="RdBu", vmin=-largest, vmax=largest)
        plot.set(title=str(digit), xticks=[], yticks=[])
        plot.grid(False)
    save(figure, "digits")


PATHS = {
    "optimizer=sgd": {"quadratic": 0.4, "rosenbrock": 0.0015},
    "optimizer=momentum": {"quadratic": 0.05, "rosenbrock": 0.0003},
    "optimizer=adagrad": {"quadratic": 1.5, "rosenbrock": 0.5},
    "optimizer=rmsprop": {"quadratic": 0.15, "rosenbrock": 0.03},
    "optimizer=adam": {"quadratic": 0.3, "rosenbrock": 0.1},
}
"""An optimizer of conf/ and its rate on each surface."""


def quadratic(point: Tensor) -> Tensor:
    """½ θᵀAθ − bᵀθ of the tables, with the minimum at (1, −1)."""
    x, y = point
    return 1.5 * x**2 + x * y + 0.25 * y**2 - 2 * x - 0.5 * y


def rosenbrock(point: Tensor) -> Tensor:
    """(1 − x)² + 100 (y − x²)², with the minimum at (1, 1)."""
    x, y = point
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def trajectories() -> None:
    """The paths of torch's optimizers on a quadratic and on Rosenbrock's function."""
    figure, plots = axes(2, len(PATHS), height=4)
    surfaces = (
        (quadratic, (4.0, -6.0), (1, -1), (-1, 5), (-9, 2), 100),
        (rosenbrock, (-1.2, 1.0), (1, 1), (-1.6, 1.4), (-0.6, 1.8), 300),
    )
    places = [(surface, member) for surface in surfaces for member in PATHS]
    for plot, ((surface, start, best, across, up, steps), member) in zip(plots, places, strict=True):
        x, y = torch.meshgrid(torch.linspace(*across, 80), torch.linspace(*up, 80), indexing="xy")
        height = surface(torch.stack([x, y])) - surface(torch.tensor(best))
        plot.contour(x, y, (height + 0.01).log(), 12, colors=GREY, linewidths=0.5, alpha=0.5, linestyles="solid")
        rate = PATHS[member][surface.__name__]
        path = _path(member, rate, surface, start, steps)
        plot.plot(*path.T, ".-", markersize=3, markevery=steps // 50, linewidth=0.8, color=COLOURS[0])
        plot.plot(*best, "*", color=COLOURS[1], markersize=9)
        plot.set(xlim=across, ylim=up, xticks=[], yticks=[])
        plot.set_title(f"{member.removeprefix('optimizer=')}, η = {rate}", fontsize=9)
        plot.grid(False)
    for row, text in ((0, "quadratic, 100 steps"), (len(PATHS), "Rosenbrock, 300 steps")):
        plots[row].set_ylabel(text, fontsize=9)
    save(figure, "trajectories")


def _path(member: str, rate: float, surface: object, start: tuple[float, float], steps: int) -> Tensor:
    point = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer = instantiate(compose([member, f"optimizer.lr={rate}"]).optimizer)([point])
    path = [point.detach().clone()]
    for _ in range(steps):
        optimizer.zero_grad()
        surface(point).backward()  # type: ignore[operator]
        optimizer.step()
        path.append(point.detach().clone())
    return torch.stack(path)


def epsilon() -> None:
    """The first AdaGrad step for gradients of many sizes: torch's place of ε, and the article's."""
    figure, plot = axes(height=3)
    size = torch.logspace(-8, 0, 80, dtype=torch.float64)
    point = torch.zeros_like(size, requires_grad=True)
    point.grad = size.clone()
    torch.optim.Adagrad([point], lr=1.0, eps=1e-8).step()
    plot.plot(size, -point.detach(), label="torch: η g / (√G + ε)")
    plot.plot(size, size / (size**2 + 1e-8).sqrt(), label="article: η g / √(G + ε)")
    for where, text in ((1e-8, "ε"), (1e-4, "√ε")):
        plot.axvline(where, color=GREY, linewidth=0.8, linestyle=":")
        plot.text(where * 1.15, 0.03, text)
    plot.set(xscale="log", xlabel="|g|", ylabel="first step, in units of η")
    plot.legend()
    save(figure, "epsilon")


def optimizers() -> None:
    """Softmax regression by five optimizers at their default rates, three seeds each."""
    folder = made(
        "python train.py -m model=softmax_regression optimizer=sgd,momentum,adagrad,rmsprop,adam seed=0,1,2 "
        "trainer.max_epochs=1 trainer.log_every_n_steps=50 logger=none hydra.sweep.dir=outputs/article/optimizers"
    )
    groups = defaultdict(list)
    for run in each(folder):
        groups[choice(run, "optimizer")].append(run)
    figure, plot = axes()
    for colour, (name, runs) in zip(COLOURS, groups.items(), strict=False):
        curves = [curve(run, "train/loss") for run in runs]
        values = torch.tensor([found for _, found in curves])
        plot.plot(curves[0][0], values.mean(0), color=colour, label=name, linewidth=1.3)
        plot.fill_between(curves[0][0], values.amin(0), values.amax(0), color=colour, alpha=0.2, linewidth=0)
    plot.set(xlabel="step", ylabel="training loss, mean of 50 batches", yscale="log")
    plot.legend()
    save(figure, "optimizers")


def schedules() -> None:
    """The learning rate that each schedule gives over ten epochs, as runs logged it."""
    folder = made(
        "python train.py -m model=softmax_regression optimizer=sgd optimizer.lr=0.1 trainer.limit_train_batches=20 "
        "scheduler=step,multistep,cosine,onecycle,warmup_cosine trainer.log_every_n_steps=1 "
        "logger=none hydra.sweep.dir=outputs/article/schedules"
    )
    figure, plot = axes(height=3)
    for run in each(folder):
        plot.plot(*curve(run, "lr", "epoch"), label=f"scheduler={choice(run, 'scheduler')}", linewidth=1.4)
    plot.set(xlabel="epoch", ylabel="η")
    plot.legend(fontsize=8)
    save(figure, "schedules")


def convnet() -> None:
    """The article's ConvNet: its running loss and accuracy in the first epoch."""
    run = made(
        "python train.py experiment=article trainer.max_epochs=1 trainer.log_every_n_steps=20 logger=none "
        "hydra.run.dir=outputs/article/convnet"
    )
    figure, (left, right) = axes(1, 2, height=3)
    left.plot(*curve(run, "train/loss"), linewidth=1.3)
    left.set(xlabel="step", ylabel="training loss, mean of 20 batches", yscale="log")
    steps, accuracy = curve(run, "train/acc")
    right.plot(steps, [100 * (1 - value) for value in accuracy], color=COLOURS[1], linewidth=1.3)
    right.set(xlabel="step", ylabel="training errors in %", yscale="log")
    save(figure, "convnet")


def tuning() -> None:
    """Learning rate and momentum as a study tried them."""
    folder = made(
        "python train.py -m sweeps=lr_momentum model=softmax_regression trainer.max_epochs=3 logger=none "
        "trainer.limit_train_batches=100 hydra.sweep.dir=outputs/article/tuning"
    )
    with (folder / "trials.csv").open(newline="", encoding="utf-8") as file:
        trials = list(csv.DictReader(file))
    figure, plot = axes(height=3.6)
    for state, marker in (("complete", "o"), ("pruned", "x")):
        chosen = [trial for trial in trials if trial["state"] == state]
        where = [[float(trial[key]) for trial in chosen] for key in ("optimizer.lr", "optimizer.momentum")]
        values = [100 * float(trial["value"]) for trial in chosen]
        dots = plot.scatter(*where, c=values, marker=marker, vmin=80, vmax=93, label=f"{state} ({len(chosen)})")
    figure.colorbar(dots, label="validation accuracy in %, last reported", extend="min")
    plot.set(xscale="log", xlabel="optimizer.lr", ylabel="optimizer.momentum")
    plot.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncol=2)
    save(figure, "tuning")


PLOTS = (descent, digits, trajectories, epsilon, optimizers, schedules, convnet, tuning)
