"""Imports torch and torchvision, reads MNIST, and takes the first step of the default run; nothing else.

Prints when the step was done, on the monotonic clock that all processes share.
"""

import argparse
import json
import time
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import nn
from torchvision import datasets


def main() -> None:
    """One step, and its moment."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bf16", action="store_true")
    options = parser.parse_args()
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    split = datasets.MNIST("data", train=True, download=True)
    inputs, targets = split.data.unsqueeze(1).to(device).float().div_(255).sub_(0.1307).div_(0.3081), split.targets
    net = nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(64 * 7 * 7, 10)),
    ).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, fused=True)
    indices = torch.randperm(len(inputs))[:100]
    images = inputs[indices.to(device)].contiguous(memory_format=torch.channels_last)
    with torch.autocast(device.type, torch.bfloat16) if options.bf16 else nullcontext():
        outputs = net(images)
    loss = F.cross_entropy(outputs.float(), targets[indices].to(device))
    loss.backward()
    optimizer.step()
    print(json.dumps({"loss": loss.item(), "moment": time.monotonic()}))


if __name__ == "__main__":
    main()
