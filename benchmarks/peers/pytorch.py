"""PyTorch: eager, in either memory format, and compiled."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .case import RATE, Case, Conv, Implementation, Parameters, from_channels_first, to_channels_first


class FlattenChannelsLast(nn.Module):
    """Each image as one row, ordered h, w, c: of a tensor in channels-last format a view, where Flatten copies."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


class Torch(Implementation):
    """What eager and compiled PyTorch share: a module with the case's parameters, and its batches as tensors."""

    memory_format = torch.contiguous_format

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        torch.set_num_threads(case.threads)
        torch.set_flush_denormal(True)
        self.flatten = "hwc" if self.memory_format is torch.channels_last else "chw"
        self.names: list[str] = []  # of our parameters, in the order of the module's
        self.module = nn.Sequential(*self.modules()).to(memory_format=self.memory_format)
        self.module.train(case.mode == "training")
        start = to_channels_first(case.blocks, case.parameters, self.flatten)
        with torch.no_grad():
            for name, parameter in zip(self.names, self.module.parameters(), strict=True):
                parameter.copy_(torch.from_numpy(start[name]))
        images = torch.from_numpy(case.scaled)[:, None]
        self.images = [images[batch].contiguous(memory_format=self.memory_format) for batch in case.slices()]
        self.labels = [torch.from_numpy(case.labels[batch]) for batch in case.slices()]

    def modules(self) -> list[nn.Module]:
        modules: list[nn.Module] = []
        for block in self.case.blocks:
            self.names += [f"{block.name}.weights"] + [f"{block.name}.bias"] * block.bias
            if isinstance(block, Conv):
                modules.append(
                    nn.Conv2d(block.inputs, block.filters, block.size, padding=block.padding, bias=block.bias)
                )
            else:
                if block.name == "dense_1":
                    modules.append(FlattenChannelsLast() if self.flatten == "hwc" else nn.Flatten())
                modules.append(nn.Linear(block.inputs, block.units))
            if block.relu:
                modules.append(nn.ReLU())
            if isinstance(block, Conv):
                modules.append(nn.MaxPool2d(2))
        return modules

    def parameters(self) -> Parameters:
        values = [parameter.detach().numpy() for parameter in self.module.parameters()]
        return from_channels_first(self.case.blocks, dict(zip(self.names, values, strict=True)), self.flatten)


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

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.values = {name: value.detach() for name, value in self.module.named_parameters()}  # the same memory
        self.step = torch.compile(self.whole_step, options={"cpp_wrapper": True})
        self.probabilities = torch.compile(lambda x: self.module(x).softmax(1), options={"cpp_wrapper": True})

    def loss(self, values: dict[str, Tensor], images: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(torch.func.functional_call(self.module, values, (images,)), labels)

    def whole_step(self, values: dict[str, Tensor], images: Tensor, labels: Tensor) -> Tensor:
        gradients, loss = torch.func.grad_and_value(self.loss)(values, images, labels)
        for name, value in values.items():
            value.sub_(gradients[name], alpha=RATE)
        return loss

    @torch.no_grad()
    def train(self, steps: int) -> float:
        for _ in range(steps):
            number = self.next()
            loss = self.step(self.values, self.images[number], self.labels[number])
        return loss.item()

    @torch.inference_mode()
    def predict(self, calls: int) -> np.ndarray:
        for _ in range(calls):
            probabilities = self.probabilities(self.images[self.next()]).numpy()
        return probabilities


class CompiledChannelsLast(Compiled):
    memory_format = torch.channels_last
