"""Activations, dropout, and the softmax at the end."""

from __future__ import annotations

from typing import Any

from ....layers.activation import GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from ...chain import layers
from ...chain.tensor import ERF, SOFTMAX, Tensor

_LINEAR = 20.0  # above this, PyTorch's Softplus is linear, which in float32 it is there


def relu(x: Tensor, inplace: bool = False) -> Tensor:
    return layers.activation(x, ReLU())


def leaky_relu(x: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    return layers.activation(x, LeakyReLU(negative_slope))


def sigmoid(x: Tensor) -> Tensor:
    return layers.activation(x, Sigmoid())


def tanh(x: Tensor) -> Tensor:
    return layers.activation(x, Tanh())


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    if approximate != "none":
        raise ValueError(f"approximate must be 'none', got {approximate!r}")
    return layers.activation(x, GELU())


def silu(x: Tensor, inplace: bool = False) -> Tensor:
    return layers.activation(x, SiLU())


def softplus(x: Tensor, beta: float = 1.0, threshold: float = _LINEAR) -> Tensor:
    if beta != 1 or threshold < _LINEAR:
        raise ValueError(f"beta must be 1 and threshold at least {_LINEAR:g}, got {beta} and {threshold}")
    return layers.activation(x, Softplus())


def softmax(x: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    if len(x.shape) != 1 or dim not in (1, -1) or dtype is not None:
        raise ValueError(f"it must be of rows, with dim=1, got dim={dim}")
    return x.part(SOFTMAX)


def erf(x: Tensor) -> Tensor:
    return x.part(ERF)


def dropout(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    return layers.dropout(x, p)


def same(x: Tensor, *_: Any, **__: Any) -> Tensor:
    return x
