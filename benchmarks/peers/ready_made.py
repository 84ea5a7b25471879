"""The ready-made nets in PyTorch, eager, in either memory format, with the optimisers of their recipes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .pytorch import FlattenChannelsLast


def keras_mnist(flatten: nn.Module) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        flatten, nn.Dropout(0.5), nn.Linear(1600, 10),
    )  # fmt: skip


def pytorch_mnist(flatten: nn.Module) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        flatten, nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10),
    )  # fmt: skip


def convolution(inputs: int, channels: int, size: int = 3, stride: int = 1) -> list[nn.Module]:
    """With batch normalisation."""
    conv = nn.Conv2d(inputs, channels, size, stride, padding=size // 2, bias=False)
    return [conv, nn.BatchNorm2d(channels)]


class Block(nn.Module):
    """A residual one, with a ReLU after the sum."""

    def __init__(self, inputs: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *convolution(inputs, channels, stride=stride), nn.ReLU(inplace=True), *convolution(channels, channels)
        )
        self.shortcut = nn.Sequential(*convolution(inputs, channels, 1, stride)) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.branch(x) + self.shortcut(x), inplace=True)


def resnet_small(flatten: nn.Module) -> nn.Module:
    return nn.Sequential(
        *convolution(1, 16), nn.ReLU(inplace=True), Block(16, 16), Block(16, 32, 2), Block(32, 64, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


Rule = Callable[[Sequence[nn.Parameter]], torch.optim.Optimizer]

NETS: dict[str, tuple[Callable[[nn.Module], nn.Module], Rule]] = {
    "keras_mnist": (keras_mnist, lambda values: torch.optim.Adam(values, 0.001, fused=True)),
    "pytorch_mnist": (pytorch_mnist, lambda values: torch.optim.Adadelta(values, 1.0, foreach=True)),
    "resnet_small": (
        resnet_small,
        lambda values: torch.optim.SGD(values, 0.1, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=True),
    ),
}


class Trained:
    """A net that has our parameters, and its batches as tensors."""

    def __init__(
        self,
        name: str,
        channels_last: bool,
        images: np.ndarray,
        labels: np.ndarray,
        batch: int,
        parameters: Sequence[np.ndarray],
    ) -> None:
        torch.set_flush_denormal(True)
        make, self.rule = NETS[name]
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.module = make(FlattenChannelsLast() if channels_last else nn.Flatten()).to(memory_format=layout)
        with torch.no_grad():
            channels = 0
            for parameter, value in zip(self.module.parameters(), parameters, strict=True):
                if value.ndim == 4:
                    channels, value = value.shape[-1], value.transpose(3, 2, 0, 1)
                elif value.ndim == 2:
                    if not channels_last and len(value) > channels > 0:  # the first after Flatten: h, w, c to c, h, w
                        value = value.reshape(-1, channels, value.shape[1]).transpose(1, 0, 2).reshape(value.shape)
                    channels, value = 0, value.T
                parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))
        starts = range(0, len(images), batch)
        x = torch.from_numpy(images)[:, None]
        self.images = [x[first : first + batch].contiguous(memory_format=layout) for first in starts]
        self.labels = [torch.from_numpy(labels[first : first + batch]) for first in starts]
        self.optimizer = self.rule(list(self.module.parameters()))

    def epoch(self) -> list[float]:
        """A step on each batch; their losses."""
        losses = []
        for images, labels in zip(self.images, self.labels, strict=True):
            self.optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(self.module(images), labels)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
        return [loss.item() for loss in losses]

    def losses_without_dropout(self) -> list[float]:
        """Those of an epoch in which nothing is dropped."""
        for module in self.module.modules():
            if isinstance(module, nn.Dropout):
                module.eval()
        losses = self.epoch()
        self.module.train()
        return losses
