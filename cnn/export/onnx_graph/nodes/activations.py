"""Activations, the two halves of PyTorch's Softplus among them, and the softmax at the end."""

from __future__ import annotations

from ....layers.activation import GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from ...chain import layers
from ...chain.tensor import ERF, LARGE, SOFTMAX, Tensor
from ..node import Node
from .table import reads

_LINEAR = 20.0  # above it, a Softplus in float32 is x

_ACTIVATIONS = {"Relu": ReLU, "Sigmoid": Sigmoid, "Softplus": Softplus, "Swish": SiLU, "Tanh": Tanh}


@reads(*_ACTIVATIONS)
def _activation(node: Node) -> Tensor:
    node.expect("alpha", 1.0)  # of Swish
    return layers.activation(node.x, _ACTIVATIONS[node.operation]())


@reads("Greater")
def _greater(node: Node) -> Tensor:
    """The first half of PyTorch's Softplus, which is x itself where x is large."""
    limit = node.constant(1)
    if limit.size != 1 or limit.ravel()[0] < _LINEAR:
        raise ValueError(f"it must compare with a number of at least {_LINEAR:g}, for a Softplus")
    return node.x.part(LARGE)


@reads("Where")
def _where(node: Node) -> Tensor:
    is_large, x, y = (node.tensor(i) for i in range(3))
    steps = is_large.step, y.step
    if is_large.step.detail != LARGE or not isinstance(y.step.layer, Softplus):
        raise ValueError("it must choose between x, where that is large, and the Softplus of x")
    if any(step.below is not x.step for step in steps):
        raise ValueError("it must choose between x and its Softplus")
    return y


@reads("LeakyRelu")
def _leaky_relu(node: Node) -> Tensor:
    return layers.activation(node.x, LeakyReLU(node.get("alpha", 0.01)))


@reads("Gelu")
def _gelu(node: Node) -> Tensor:
    node.expect("approximate", b"none")
    return layers.activation(node.x, GELU())


@reads("Erf")
def _erf(node: Node) -> Tensor:
    return node.x.part(ERF)


@reads("Softmax", "LogSoftmax")
def _softmax(node: Node) -> Tensor:
    if len(node.x.shape) != 1 or node.get("axis", -1) not in (1, -1):
        raise ValueError("it must be of rows, along their numbers")
    return node.x.part(SOFTMAX)
