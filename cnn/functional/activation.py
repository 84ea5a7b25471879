"""Activations, element by element, and their gradients."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..backends import checks
from ..backends import compiled as ops
from ..backends.program import Elementwise

__all__ = [
    "relu_backward",
    "relu_forward",
]


def relu_forward(x: ArrayLike) -> np.ndarray:
    """``y = max(x, 0)``, element by element; NaN stays NaN.

    Parameters
    ----------
    x : any shape, float32 or float64
        Other dtypes are converted: to float32 where that is exact, else to float64.

    Returns
    -------
    y : shape and dtype of `x`

    Raises
    ------
    TypeError
        `x` is no array of real numbers, or is masked.
    """
    return ops.elementwise_forward(Elementwise("relu"), checks.real("x", x))


def relu_backward(dy: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Gradient of a loss for the input of `relu_forward`: `dy` where y > 0, else 0 (so 0 at 0 and at NaN).

    Parameters
    ----------
    dy : shape of `y`
        Gradient for the output. Converted to the dtype of `y`.
    y : any shape, float32 or float64
        The output; the input does as well, it has the same positive elements.

    Returns
    -------
    dx : shape and dtype of `y`

    Raises
    ------
    TypeError
        An argument that is no array of real numbers, or is masked.
    ValueError
        `dy` and `y` of different shapes.
    """
    y = checks.real("y", y)
    dy = checks.real("dy", dy, y.dtype)
    checks.shape("dy", dy, y.shape, "the shape of y")
    return ops.elementwise_backward(Elementwise("relu"), dy, y)
