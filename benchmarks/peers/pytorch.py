"""PyTorch: eager, in either memory format, and compiled."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .case import RATE, Arrays, Case, Implementation
from .modules import Modules


class Torch(Implementation):
    """What eager and compiled PyTorch share: a module with the case's state, and its batches as tensors."""

    memory_format = torch.contiguous_format

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        torch.set_num_threads(case.threads)
        torch.set_flush_denormal(True)
        self.modules = Modules(case.state, self.memory_format)
        self.module = self.modules.chain(case.layers)
        self.module.train(case.mode == "training")
        images = torch.from_numpy(case.scaled.transpose(0, 3, 1, 2))
        self.images = [images[batch].contiguous(memory_format=self.memory_format) for batch in case.slices()]
        self.labels = [torch.from_numpy(case.labels[batch]) for batch in case.slices()]

    def state(self) -> Arrays:
        return self.modules.values()


class Eager(Torch):
    """The usual loop with the fused optimiser; inference mode for predictions."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.optimizer = torch.optim.SGD(self.module.parameters(), lr=RATE, fused=True)

    def train(self, steps: int) -> float:
        for _ in range(steps):
            number = self.next()
            self.optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(self.module(self.images[number]), self.labels[number])
            loss.backward()
            self.optimizer.step()
        return loss.item()

    @torch.inference_mode()
    def predict(self, calls: int) -> np.ndarray:
        for _ in range(calls):
            probabilities = self.module(self.images[self.next()]).softmax(1).numpy()
        return probabilities


class EagerChannelsLast(Eager):
    memory_format = torch.channels_last


class Compiled(Torch):
    """torch.compile of the whole step: forward, loss, backward and update in one graph, called through C++.

    Measured against a compiled loss with `backward` and an optimiser outside, this takes a third to a half.
    """

    options: dict[str, bool] = {"cpp_wrapper": True}  # noqa: RUF012

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.values = {name: value.detach() for name, value in self.module.named_parameters()}  # the same memory
        self.statistics = dict(self.module.named_buffers())
        self.step = torch.compile(self.whole_step, options=self.options)
        self.probabilities = torch.compile(lambda x: self.module(x).softmax(1), options=self.options)

    def loss(self, values: dict[str, Tensor], statistics: dict[str, Tensor], images: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(torch.func.functional_call(self.module, (values, statistics), (images,)), labels)

    def whole_step(
        self, values: dict[str, Tensor], statistics: dict[str, Tensor], images: Tensor, labels: Tensor
    ) -> Tensor:
        gradients, loss = torch.func.grad_and_value(self.loss)(values, statistics, images, labels)
        for name, value in values.items():
            value.sub_(gradients[name], alpha=RATE)
        return loss

    @torch.no_grad()
    def train(self, steps: int) -> float:
        for _ in range(steps):
            number = self.next()
            loss = self.step(self.values, self.statistics, self.images[number], self.labels[number])
        return loss.item()

    @torch.inference_mode()
    def predict(self, calls: int) -> np.ndarray:
        for _ in range(calls):
            probabilities = self.probabilities(self.images[self.next()]).numpy()
        return probabilities


class CompiledChannelsLast(Compiled):
    memory_format = torch.channels_last
