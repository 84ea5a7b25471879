"""Sums and products, of images with each other and with constants."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...chain import arithmetic, moments
from ...chain.tensor import Tensor
from ..node import Node
from .table import reads


def _parts(node: Node) -> tuple[Tensor, Any]:
    """Images, and what they are added to or multiplied with: other images or a constant."""
    a, b = node.values
    first, other = (0, b) if isinstance(a, Tensor) else (1, a)
    if isinstance(other, np.ndarray) and other.dtype.kind != "f":
        raise ValueError(f"a constant must be of floating-point numbers, got {other.dtype}")
    return node.tensor(first), other


@reads("Add")
def _add(node: Node) -> Tensor:
    x, other = _parts(node)
    return arithmetic.add(x, other) if isinstance(other, Tensor) else arithmetic.add_constant(x, other)


@reads("Mul")
def _mul(node: Node) -> Tensor:
    x, other = _parts(node)
    return arithmetic.multiply(x, other) if isinstance(other, Tensor) else arithmetic.multiply_constant(x, other)


@reads("Sub")
def _sub(node: Node) -> Tensor:
    x, other = _parts(node)
    if isinstance(other, Tensor):
        return arithmetic.subtract(x, other)
    if isinstance(node.values[0], Tensor):
        return arithmetic.add_constant(x, -other)
    return arithmetic.add_constant(arithmetic.negative(x), other)


@reads("Div")
def _div(node: Node) -> Tensor:
    x, other = node.x, _parts(node)[1]
    if isinstance(other, Tensor):
        return arithmetic.divide(x, other)
    with np.errstate(divide="ignore"):
        return arithmetic.multiply_constant(x, 1 / other)


@reads("Neg")
def _neg(node: Node) -> Tensor:
    return arithmetic.negative(node.x)


_OF_MOMENTS = {"Reciprocal": moments.reciprocal, "Sqrt": moments.root}


@reads(*_OF_MOMENTS)
def _of_moments(node: Node) -> Tensor:
    return arithmetic.of_moments(_OF_MOMENTS[node.operation](node.x))


@reads("Pow")
def _pow(node: Node) -> Tensor:
    exponent = node.constant(1)
    return arithmetic.of_moments(moments.square(node.x) if (exponent == 2).all() else None)
