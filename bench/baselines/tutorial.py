"""The usual tutorial program: torchvision MNIST, ToTensor, a DataLoader, fp32, and loss.item() at each step.

It prints each epoch's time and, at the end, the test accuracy; with --until it tests after each epoch, and stops at
that accuracy.
"""

import argparse
import json
import time
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


class ConvNet(nn.Module):
    """Two 3 × 3 convolutions, each followed by ReLU and max pooling, and one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.fc = nn.Linear(64 * 7 * 7, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[B, 10]` of images `[B, 1, 28, 28]` in [0, 1]."""
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(x.flatten(1))


def mnist(train: bool) -> datasets.MNIST:
    """The official split, converted image by image."""
    return datasets.MNIST("data", train=train, download=True, transform=transforms.ToTensor())


def train_epoch(
    model: nn.Module, loader: Iterable, optimizer: torch.optim.Optimizer, device: torch.device
) -> list[float]:
    """Train on each batch; returns the losses."""
    losses = []
    model.train()
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test(model: nn.Module, loader: Iterable, device: torch.device) -> float:
    """Share of right predictions."""
    correct = total = 0
    model.eval()
    with torch.no_grad():
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            correct += (model(images).argmax(1) == labels).sum().item()
            total += len(labels)
    return correct / total


def main() -> None:
    """Train and test, and print the figures as one line of JSON at the end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--until", type=float)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    loader = DataLoader(mnist(train=True), batch_size=100, shuffle=True)
    test_loader = DataLoader(mnist(train=False), batch_size=100)
    model = ConvNet().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    seconds, tests, accuracy = [], [], None
    for epoch in range(options.epochs):
        began = time.perf_counter()
        losses = train_epoch(model, loader, optimizer, device)
        seconds.append(time.perf_counter() - began)
        print(f"epoch {epoch + 1}: {seconds[-1]:.2f} s, loss {sum(losses) / len(losses):.4f}", flush=True)
        if options.until is not None or epoch + 1 == options.epochs:
            began = time.perf_counter()
            accuracy = test(model, test_loader, device)
            tests.append(time.perf_counter() - began)
            print(f"test accuracy {accuracy:.4f}", flush=True)
            if options.until is not None and accuracy >= options.until:
                break
    print(json.dumps({"epoch_seconds": seconds, "test_seconds": tests, "test_accuracy": accuracy}))


if __name__ == "__main__":
    main()
