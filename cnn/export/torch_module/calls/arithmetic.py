"""Sums and products, of images with each other and with numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...chain import arithmetic, moments
from ...chain.tensor import Tensor


def add(a: Any, b: Any) -> Tensor:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return arithmetic.add(a, b)
    return arithmetic.add_constant(a, _constant(b)) if isinstance(a, Tensor) else add(b, a)


def multiply(a: Any, b: Any) -> Tensor:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return arithmetic.multiply(a, b)
    return arithmetic.multiply_constant(a, _constant(b)) if isinstance(a, Tensor) else multiply(b, a)


def subtract(a: Any, b: Any) -> Tensor:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return arithmetic.subtract(a, b)
    return add(a, -b) if isinstance(a, Tensor) else add(multiply(b, -1.0), a)


def divide(a: Any, b: Any) -> Tensor:
    return arithmetic.divide(a, b) if isinstance(b, Tensor) else multiply(a, 1 / b)


def negative(a: Tensor) -> Tensor:
    return arithmetic.negative(a)


def power(x: Tensor, exponent: Any) -> Tensor:
    return arithmetic.of_moments(moments.square(x) if exponent == 2 else None)


def sqrt(x: Tensor) -> Tensor:
    return arithmetic.of_moments(moments.root(x))


def _constant(value: Any) -> np.ndarray:
    return value if isinstance(value, np.ndarray) else np.asarray(float(value))
