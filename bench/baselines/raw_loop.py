"""A raw PyTorch loop: the fastest plain program that does the same arithmetic; no metrics, no logging, no bar.

As a program it trains the ConvNet on MNIST for the comparison of memory; the comparison of steps calls `train_epoch`.
"""

import argparse
import json
from collections.abc import Iterable
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from torchvision import datasets


def train_epoch(
    net: nn.Module, optimizer: Optimizer, inputs: Tensor, targets: Tensor, batches: Iterable[Tensor], bf16: bool
) -> list[Tensor]:
    """Train on each batch; returns the losses, unread.

    Args:
        net: gives logits `[B, K]`; one that is in bf16 autocast has convolutions, so its inputs are channels-last.
        optimizer: of the net's parameters.
        inputs: `[N, ...]` float32, on the device.
        targets: `[N]` int64.
        batches: int64 indices of each batch.
        bf16: whether the network runs under bf16 autocast.
    """
    losses = []
    precision = torch.autocast(inputs.device.type, torch.bfloat16) if bf16 else nullcontext()
    images = any(isinstance(part, nn.Conv2d) for part in net.modules())
    for indices in batches:
        indices = indices.to(inputs.device, non_blocking=True)
        x, y = inputs.index_select(0, indices), targets.index_select(0, indices)
        if images:
            x = x.contiguous(memory_format=torch.channels_last)
        optimizer.zero_grad()
        with precision:
            outputs = net(x)
        loss = F.cross_entropy(outputs.float(), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses


def evaluate(net: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], device: torch.device) -> list[float]:
    """Sum of losses, right predictions and examples: the arithmetic of a validation, and nothing else."""
    total = torch.zeros(3, dtype=torch.float64, device=device)
    net.eval()
    with torch.inference_mode():
        for x, y in batches:
            outputs = net(x)
            loss, correct = F.cross_entropy(outputs, y), (outputs.argmax(1) == y).sum()
            total[:2] += torch.stack([loss.double() * len(y), correct.double()])
            total[2] += len(y)
    net.train()
    return total.tolist()


def main() -> None:
    """Train the ConvNet for an epoch, and print its mean loss."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bf16", action="store_true")
    options = parser.parse_args()
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    split = datasets.MNIST("data", train=True, download=True)
    inputs = split.data.unsqueeze(1).to(device).float().mul_(1 / (255 * 0.3081)).sub_(0.1307 / 0.3081)
    targets = split.targets.to(device)
    net = nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(64 * 7 * 7, 10)),
    ).to(device, memory_format=torch.channels_last)
    optimizer = SGD(net.parameters(), lr=0.01, momentum=0.9, fused=True)
    losses = train_epoch(net, optimizer, inputs, targets, torch.randperm(len(inputs)).split(100), options.bf16)
    print(json.dumps({"loss": float(torch.stack(losses).mean())}))


if __name__ == "__main__":
    main()
