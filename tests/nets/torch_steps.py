"""Steps of a net in PyTorch, by any optimiser; they may be disturbed, to see how a run enlarges an error.

An optimiser that is added to the package needs an entry in `OPTIMIZERS`.
"""

from __future__ import annotations

import numpy as np
import torch

from cnn.layers.base import layer_names

from .torch_nets import LOSSES, passed

# ---- optimisers: (ours, tensors) -> theirs ----


class Lion(torch.optim.Optimizer):
    """As published (Chen et al., 2023); PyTorch has none.

    `unsure` is whether a step hung, for any element of a tensor, on the sign of a number that is rounding alone.
    """

    def __init__(self, ours, tensors):
        super().__init__(tensors, {})
        self.ours, self.moments = ours, [torch.zeros_like(tensor) for tensor in tensors]
        self.unsure = [torch.zeros_like(tensor, dtype=torch.bool) for tensor in tensors]

    @torch.no_grad()
    def step(self):
        ours, tensors = self.ours, self.param_groups[0]["params"]
        rounding = 1e-9 * max(float(tensor.grad.abs().max()) for tensor in tensors)
        for p, moment, unsure in zip(tensors, self.moments, self.unsure, strict=True):
            direction = ours.beta1 * moment + (1 - ours.beta1) * p.grad
            unsure |= (direction != 0) & (direction.abs() < rounding)
            p.mul_(1 - ours.learning_rate * ours.weight_decay).sub_(ours.learning_rate * direction.sign())
            moment.mul_(ours.beta2).add_((1 - ours.beta2) * p.grad)

    def left_out(self, names: list[str], state) -> set[str]:
        """Of what a net has learned, what cannot be compared: tensors with such elements, and what these move.

        Those are the biases below a normalisation, whose running mean they move, and nothing else.
        """
        unsure = {name for name, which in zip(names, self.unsure, strict=True) if which.any()}
        return unsure | {name for name in state if unsure and name.endswith(".mean")}


OPTIMIZERS = {
    "Adadelta": lambda o, tensors: torch.optim.Adadelta(tensors, o.learning_rate, o.rho, o.epsilon, o.weight_decay),
    "Adam": lambda o, tensors: torch.optim.Adam(
        tensors, o.learning_rate, (o.beta1, o.beta2), o.epsilon, o.weight_decay
    ),
    "AdamW": lambda o, tensors: torch.optim.AdamW(
        tensors, o.learning_rate, (o.beta1, o.beta2), o.epsilon, o.weight_decay
    ),
    "Lion": Lion,
    "RMSprop": lambda o, tensors: torch.optim.RMSprop(
        tensors, o.learning_rate, o.alpha, o.epsilon, o.weight_decay, o.momentum
    ),
    "SGD": lambda o, tensors: torch.optim.SGD(
        tensors, o.learning_rate, o.momentum, weight_decay=o.weight_decay, nesterov=o.nesterov
    ),
}


class TorchNet:
    """The same net in PyTorch, with copies of what the net has learned.

    Every step may be disturbed: parameters by so much of themselves, gradients, where there are any, by so much of the
    largest one.
    """

    def __init__(self, net, optimizer, disturbance=0.0, seed=0):
        self.net, self.clip, self.disturbance = net, (optimizer.clip_norm, optimizer.clip_value), disturbance
        self.learned = {name: torch.tensor(value.copy()) for name, value in net.state().items()}
        self.trained = [self.learned[name].requires_grad_() for name in trainable(net.layers)]
        self.optimizer = OPTIMIZERS[type(optimizer).__name__](optimizer, self.trained) if self.trained else None
        self.random = torch.Generator().manual_seed(seed)

    def step(self, x, targets, weights) -> np.ndarray:
        """One step on a batch; each image's loss."""
        outputs = passed(self.net.layers, torch.tensor(x), self.learned, True)
        losses = LOSSES[type(self.net.loss).__name__](self.net.loss, outputs, torch.tensor(targets))
        if self.trained:
            self.optimizer.zero_grad()
            weights = torch.tensor(weights)
            ((weights * losses).sum() / weights.sum()).backward()
            self._update()
        return losses.detach().numpy()

    def _update(self) -> None:
        self._disturb([tensor.grad for tensor in self.trained], together=True)
        norm, value = self.clip
        if norm is not None:
            torch.nn.utils.clip_grad_norm_(self.trained, norm)
        if value is not None:
            torch.nn.utils.clip_grad_value_(self.trained, value)
        self.optimizer.step()
        self._disturb([tensor.data for tensor in self.trained])

    def _disturb(self, tensors, together=False) -> None:
        largest = max(float(tensor.abs().max()) for tensor in tensors)
        for tensor in tensors:
            signs = (torch.randint(0, 2, tensor.shape, generator=self.random) * 2.0 - 1) * (tensor != 0)
            tensor += self.disturbance * signs * (largest if together else tensor.abs())

    def outputs(self, x) -> np.ndarray:
        """Of a prediction."""
        with torch.no_grad():
            return passed(self.net.layers, torch.tensor(x), self.learned, False).numpy()

    def state(self) -> dict[str, np.ndarray]:
        return {name: tensor.detach().numpy() for name, tensor in self.learned.items()}


def trainable(layers, names=None) -> list[str]:
    """Names of the parameters that steps change."""
    result = []
    for name, layer in zip(names or layer_names(layers), layers, strict=True):
        if layer.parts:
            result += trainable(layer.parts, [f"{name}.{each}" for each in layer_names(layer.parts)])
        elif layer.trainable:
            result += [f"{name}.{parameter}" for parameter in layer.parameters]
    return result
