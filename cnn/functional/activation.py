"""Activations, element by element, and their gradients."""

from __future__ import annotations

import math
from typing import SupportsFloat

import numpy as np
from numpy.typing import ArrayLike

from ..backends import checks
from ..backends import compiled as ops
from ..backends.calls import Elementwise

__all__ = [
    "gelu_backward",
    "gelu_forward",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "relu_backward",
    "relu_forward",
    "sigmoid_backward",
    "sigmoid_forward",
    "silu_backward",
    "silu_forward",
    "softplus_backward",
    "softplus_forward",
    "tanh_backward",
    "tanh_forward",
]

RELU, SIGMOID, TANH = (Elementwise(name) for name in ("relu", "sigmoid", "tanh"))
GELU, SILU, SOFTPLUS = (Elementwise(name) for name in ("gelu", "silu", "softplus"))


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

    Examples
    --------
    >>> import cnn
    >>> cnn.functional.relu_forward([-1.0, 0.0, 2.0])
    array([0., 0., 2.])
    """
    return ops.elementwise_forward(RELU, checks.real("x", x))


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
    return ops.elementwise_backward(RELU, *_gradient_and("y", dy, y))


def leaky_relu_forward(x: ArrayLike, slope: SupportsFloat = 0.01) -> np.ndarray:
    """``y = x where x > 0, else slope * x``, element by element; NaN stays NaN.

    Parameters
    ----------
    x : any shape, float32 or float64
        Other dtypes are converted: to float32 where that is exact, else to float64.
    slope : float

    Returns
    -------
    y : shape and dtype of `x`

    Raises
    ------
    TypeError
        `x` is no array of real numbers, or is masked; `slope` is no number.
    ValueError
        `slope` is not finite.
    """
    slope = checks.number("slope", slope, minimum=-math.inf)
    return ops.elementwise_forward(Elementwise("leaky_relu", (slope,)), checks.real("x", x))


def leaky_relu_backward(dy: ArrayLike, x: ArrayLike, slope: SupportsFloat = 0.01) -> np.ndarray:
    """Gradient of a loss for the input of `leaky_relu_forward`: `dy` where x > 0, else slope * dy (so at 0 and NaN).

    Parameters
    ----------
    dy : shape of `x`
        Gradient for the output. Converted to the dtype of `x`.
    x : any shape, float32 or float64
        The input.
    slope : float

    Returns
    -------
    dx : shape and dtype of `x`

    Raises
    ------
    TypeError
        An argument that is no array of real numbers, or is masked; `slope` is no number.
    ValueError
        `dy` and `x` of different shapes; `slope` is not finite.
    """
    slope = checks.number("slope", slope, minimum=-math.inf)
    return ops.elementwise_backward(Elementwise("leaky_relu", (slope,)), *_gradient_and("x", dy, x))


def sigmoid_forward(x: ArrayLike) -> np.ndarray:
    """``y = 1 / (1 + exp(-x))``, element by element; NaN stays NaN.

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
    return ops.elementwise_forward(SIGMOID, checks.real("x", x))


def sigmoid_backward(dy: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Gradient of a loss for the input of `sigmoid_forward`: ``dy * y * (1 - y)``.

    Parameters
    ----------
    dy : shape of `y`
        Gradient for the output. Converted to the dtype of `y`.
    y : any shape, float32 or float64
        The output.

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
    return ops.elementwise_backward(SIGMOID, *_gradient_and("y", dy, y))


def tanh_forward(x: ArrayLike) -> np.ndarray:
    """``y = tanh(x)``, element by element; NaN stays NaN.

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
    return ops.elementwise_forward(TANH, checks.real("x", x))


def tanh_backward(dy: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Gradient of a loss for the input of `tanh_forward`: ``dy * (1 - y ** 2)``.

    Parameters
    ----------
    dy : shape of `y`
        Gradient for the output. Converted to the dtype of `y`.
    y : any shape, float32 or float64
        The output.

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
    return ops.elementwise_backward(TANH, *_gradient_and("y", dy, y))


def gelu_forward(x: ArrayLike) -> np.ndarray:
    """``y = x * (1 + erf(x / sqrt(2))) / 2``, element by element; NaN stays NaN.

    At -inf it is NaN, as in PyTorch.

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
    return ops.elementwise_forward(GELU, checks.real("x", x))


def gelu_backward(dy: ArrayLike, x: ArrayLike) -> np.ndarray:
    """Gradient of a loss for the input of `gelu_forward`, with Phi(x) for ``(1 + erf(x / sqrt(2))) / 2``.

    It is ``dy * (Phi(x) + x * exp(-x ** 2 / 2) / sqrt(2 * pi))``: half of dy at 0, NaN at NaN and infinities.

    Parameters
    ----------
    dy : shape of `x`
        Gradient for the output. Converted to the dtype of `x`.
    x : any shape, float32 or float64
        The input.

    Returns
    -------
    dx : shape and dtype of `x`

    Raises
    ------
    TypeError
        An argument that is no array of real numbers, or is masked.
    ValueError
        `dy` and `x` of different shapes.
    """
    return ops.elementwise_backward(GELU, *_gradient_and("x", dy, x))


def silu_forward(x: ArrayLike) -> np.ndarray:
    """``y = x / (1 + exp(-x))``, element by element; NaN stays NaN.

    At -inf it is NaN, as in PyTorch.

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
    return ops.elementwise_forward(SILU, checks.real("x", x))


def silu_backward(dy: ArrayLike, x: ArrayLike) -> np.ndarray:
    """Gradient of a loss for the input of `silu_forward`, with s for ``1 / (1 + exp(-x))``.

    It is ``dy * (s + x * s * (1 - s))``: half of dy at 0, NaN at NaN and infinities.

    Parameters
    ----------
    dy : shape of `x`
        Gradient for the output. Converted to the dtype of `x`.
    x : any shape, float32 or float64
        The input.

    Returns
    -------
    dx : shape and dtype of `x`

    Raises
    ------
    TypeError
        An argument that is no array of real numbers, or is masked.
    ValueError
        `dy` and `x` of different shapes.
    """
    return ops.elementwise_backward(SILU, *_gradient_and("x", dy, x))


def softplus_forward(x: ArrayLike) -> np.ndarray:
    """``y = log(1 + exp(x))``, element by element; NaN stays NaN.

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
    return ops.elementwise_forward(SOFTPLUS, checks.real("x", x))


def softplus_backward(dy: ArrayLike, x: ArrayLike) -> np.ndarray:
    """Gradient of a loss for the input of `softplus_forward`: ``dy / (1 + exp(-x))``; NaN at NaN.

    Parameters
    ----------
    dy : shape of `x`
        Gradient for the output. Converted to the dtype of `x`.
    x : any shape, float32 or float64
        The input.

    Returns
    -------
    dx : shape and dtype of `x`

    Raises
    ------
    TypeError
        An argument that is no array of real numbers, or is masked.
    ValueError
        `dy` and `x` of different shapes.
    """
    return ops.elementwise_backward(SOFTPLUS, *_gradient_and("x", dy, x))


def _gradient_and(name: str, dy: ArrayLike, value: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """`dy` and the input or output that it belongs to, of one dtype and shape."""
    value = checks.real(name, value)
    dy = checks.real("dy", dy, value.dtype)
    checks.shape("dy", dy, value.shape, f"the shape of {name}")
    return dy, value
