"""Whether a conventional program does the same mathematics as ours: same weights, same batches, same mean loss."""

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from bench.baselines import conventional_lightning, tutorial
from bench.session import session

Against = Callable[[list[Tensor], list[list[int]]], float]
"""Maps initial parameters, in the network's order, and the images' numbers in the file to a mean loss."""


def our_loss(*overrides: str, steps: int, against: Against) -> tuple[float, float]:
    """Mean training loss of some steps on all 60,000 images in fp32: ours, and that of another program.

    Args:
        overrides: Hydra overrides.
        steps: optimizer steps.
        against: the other program.
    """
    limits = (f"trainer.limit_train_batches={steps}", "trainer.max_epochs=1", "trainer.precision=32-true")
    with session(*overrides, *limits, "data.val_size=0") as ours:
        start = deepcopy(ours.parts.model.net)
        order = [batch.tolist() for batch in ours.parts.datamodule.order.epoch(0)]
        ours.fit()
        mine = ours.parts.model.evaluated["train/loss"]
    return mine, against([p.detach().cpu().contiguous() for p in start.parameters()], order)


def tutorial_loss(parameters: list[Tensor], order: list[list[int]]) -> float:
    """The tutorial program's."""
    model = tutorial.ConvNet()
    _put(parameters, model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loader = DataLoader(tutorial.mnist(train=True), batch_sampler=order)
    losses = tutorial.train_epoch(model, loader, optimizer, torch.device("cpu"))
    return sum(losses) / len(losses)


def conventional_loss(parameters: list[Tensor], order: list[list[int]]) -> float:
    """The conventional Lightning program's, by its own training_step and optimizer, over all training images."""
    from torchvision import datasets

    module = conventional_lightning.MNISTModule()
    _put(parameters, module.net)
    optimizer = module.configure_optimizers()
    transform = conventional_lightning.MNISTData().transform
    images = datasets.MNIST("data", train=True, download=True, transform=transform)
    losses = []
    module.log = lambda *_, **__: None  # type: ignore[method-assign]  # there is no Trainer to log to
    for index, batch in enumerate(DataLoader(images, batch_sampler=order)):
        optimizer.zero_grad()
        loss = module.training_step(batch, index)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def relative_difference(measure: str, ours: float, theirs: float, tolerance: float) -> float:
    """How far two losses are apart.

    Raises:
        RuntimeError: further than `tolerance`.
    """
    apart = abs(ours - theirs) / abs(theirs)
    if apart > tolerance:
        raise RuntimeError(f"{measure}: mean losses {ours:.6f} and {theirs:.6f} differ, so the mathematics does too")
    return apart


def _put(parameters: list[Tensor], net: nn.Module) -> None:
    with torch.no_grad():
        for target, source in zip(net.parameters(), parameters, strict=True):
            target.copy_(source)
