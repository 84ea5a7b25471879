"""The affine map of a dense layer, and its gradients."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..backends import checks
from ..backends import compiled as ops
from .arguments import bias, with_axes

__all__ = [
    "dense_backward",
    "dense_forward",
    "dense_input_gradient",
    "dense_weight_gradient",
]

OUTPUT = "the output's (n, units of w)"


def dense_forward(x: ArrayLike, w: ArrayLike, b: ArrayLike | None) -> np.ndarray:
    """Affine map of every row, ``y = x @ w + b``.

    Parameters
    ----------
    x : (n, inputs)
        Converted to the dtype of `w`.
    w : (inputs, units), float32 or float64
        Other dtypes are converted: to float32 where that is exact, else to float64.
    b : (units,) or None

    Returns
    -------
    y : (n, units), dtype of `w`

    Raises
    ------
    TypeError
        An argument that is no array of real numbers, or is masked.
    ValueError
        Shapes that do not fit each other, no inputs or no units.

    Examples
    --------
    >>> import cnn, numpy as np
    >>> w = np.array([[1.0, 0.0], [0.0, 10.0]])
    >>> cnn.functional.dense_forward([[1.0, 2.0]], w, b=[0.5, 0.5])
    array([[ 1.5, 20.5]])
    """
    x, w = _operands(x, w)
    return ops.dense_forward(x, w, bias(b, w))


def dense_backward(dy: ArrayLike, x: ArrayLike, w: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of a loss for the input, the weights and the bias of `dense_forward`.

    Parameters
    ----------
    dy : (n, units)
        Gradient for the output. Converted to the dtype of `w`.
    x, w
        What `dense_forward` was given.

    Returns
    -------
    dx : (n, inputs), dtype of `w`
    dw : (inputs, units), dtype of `w`
        Sum over the batch.
    db : (units,), dtype of `w`
        Sum over the batch.

    Raises
    ------
    TypeError, ValueError
        As `dense_forward`; and a `dy` that has not the output's shape.
    """
    x, w = _operands(x, w)
    dy = checks.real("dy", dy, w.dtype)
    checks.shape("dy", dy, (len(x), w.shape[1]), OUTPUT)
    return ops.dense_input_gradient(dy, w), *ops.dense_weight_gradient(dy, x)


def dense_input_gradient(dy: ArrayLike, w: ArrayLike) -> np.ndarray:
    """The `dx` of `dense_backward` alone.

    Parameters
    ----------
    dy, w
        As in `dense_backward`.

    Returns
    -------
    dx : (n, inputs), dtype of `w`

    Raises
    ------
    TypeError, ValueError
        As `dense_backward`.
    """
    w = _weights(w)
    dy = checks.real("dy", dy, w.dtype)
    checks.shape("dy", dy, (None, w.shape[1]), OUTPUT)
    return ops.dense_input_gradient(dy, w)


def dense_weight_gradient(dy: ArrayLike, x: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The `dw` and `db` of `dense_backward` alone.

    Parameters
    ----------
    dy : (n, units), float32 or float64
        Other dtypes are converted: to float32 where that is exact, else to float64.
    x : (n, inputs)
        Converted to the dtype of `dy`.

    Returns
    -------
    dw : (inputs, units), dtype of `dy`
    db : (units,), dtype of `dy`

    Raises
    ------
    TypeError, ValueError
        As `dense_backward`.
    """
    dy = with_axes("dy", dy, ("n", "units"))
    x = with_axes("x", x, ("n", "inputs"), dy.dtype)
    if len(dy) != len(x):
        raise ValueError(f"dy must have a row for each of x, got shapes {dy.shape} and {x.shape}")
    if dy.shape[1] == 0 or x.shape[1] == 0:
        raise ValueError(f"dy and x must have at least one column, got shapes {dy.shape} and {x.shape}")
    return ops.dense_weight_gradient(dy, x)


def _operands(x: ArrayLike, w: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    w = _weights(w)
    x = checks.real("x", x, w.dtype)
    checks.shape("x", x, (None, w.shape[0]), "(n, inputs of w)")
    return x, w


def _weights(w: ArrayLike) -> np.ndarray:
    w = with_axes("w", w, ("inputs", "units"))
    if w.size == 0:
        raise ValueError(f"w must have at least one input and one unit, got shape {w.shape}")
    return w
