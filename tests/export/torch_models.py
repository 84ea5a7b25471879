"""Modules of PyTorch as people write them: the benchmarks' nets, PyTorch's MNIST example, a residual net."""

from __future__ import annotations

import warnings

import torch
from torch import nn
from torch.nn import functional as F


def tutorial() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 8, 3, bias=False), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(13 * 13 * 8, 10))


def two_convolutions() -> nn.Module:
    first = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    second = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(first, second, nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def lenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


class MnistExample(nn.Module):
    """That of PyTorch's examples."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3, 1), nn.Conv2d(32, 64, 3, 1)
        self.dropout1, self.dropout2 = nn.Dropout(0.25), nn.Dropout(0.5)
        self.fc1, self.fc2 = nn.Linear(9216, 128), nn.Linear(128, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(self.dropout1(x), 1)
        x = self.dropout2(F.relu(self.fc1(x)))
        return F.log_softmax(self.fc2(x), dim=1)


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.norm2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride) if inputs != outputs else None

    def forward(self, x):
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        y += x if self.shortcut is None else self.shortcut(x)
        return F.relu(y)


class ResidualNet(nn.Module):
    """With normalised images, functions of all kinds, and shapes that are computed."""

    def __init__(self):
        super().__init__()
        self.stem, self.blocks = nn.Conv2d(1, 8, 4, padding="same"), nn.Sequential(Block(8, 8, 1), Block(8, 16, 2))
        self.wide, self.dense = nn.Conv2d(16, 32, 3, groups=16, dilation=2), nn.Linear(32, 10)

    def forward(self, x):
        x = self.blocks(F.gelu(self.stem((x - 0.1307) / 0.3081)))
        x = F.avg_pool2d(F.silu(self.wide(x)), 2).mean((2, 3), keepdim=True)
        return self.dense(torch.tanh(x.view(x.size(0), -1)))


MODELS = {
    "the tutorial's net": tutorial,
    "two convolutions": two_convolutions,
    "LeNet-5": lenet,
    "MNIST example": MnistExample,
    "residual net": ResidualNet,
}


def made(name: str) -> nn.Module:
    """In evaluation mode, with running statistics that it has learned."""
    torch.manual_seed(0)
    module = MODELS[name]()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a copy, for the padding of an even kernel
        module(images(16))
    return module.eval()


def images(n: int) -> torch.Tensor:
    return torch.randn(n, 1, 28, 28, generator=torch.Generator().manual_seed(n))


def outputs(module: nn.Module, x: torch.Tensor):
    with torch.inference_mode():
        return module(x).numpy()
