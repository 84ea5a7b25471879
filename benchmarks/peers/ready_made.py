"""Nets in PyTorch, eager, in either memory format, with the optimisers of their recipes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import nn

from .case import Case
from .pytorch import Torch

Rule = Callable[[Sequence[nn.Parameter]], torch.optim.Optimizer]

RULES: dict[str, Rule] = {
    "keras_mnist": lambda values: torch.optim.Adam(values, 0.001, fused=True),
    "pytorch_mnist": lambda values: torch.optim.Adadelta(values, 1.0, foreach=True),
    "resnet_small": lambda values: torch.optim.SGD(
        values, 0.1, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=True
    ),
}


class Trained(Torch):
    """A net that is trained by the rule of its recipe."""

    def __init__(self, case: Case, channels_last: bool) -> None:
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        super().__init__(case)
        self.optimizer = RULES[case.net](list(self.module.parameters()))

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
