"""The arguments of the operations: checked, converted, and in the order in which the operations take them.

One function for each operation, of its name; the two poolings share a forward. `cnn.functional` hands what it
returns to `cnn.backends.compiled`, `cnn.reference.functional` to `cnn.backends.numpy.operations`: so both refuse the
same arguments.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .backends import checks, geometry
from .backends.geometry import ConvGeometry, PoolGeometry

Pair = int | Sequence[int]
Padding = str | Pair
Shape = Sequence[int]

IMAGES = ("n", "h", "w", "c_in")
KERNEL = ("kh", "kw", "c_in", "c_out")
MAPS = ("n", "h", "w", "c")
CONVOLVED = "the output's (n, oh, ow, c_out)"
POOLED = "the output's (n, oh, ow, c)"

# ---- convolution -------------------------------------------------------------------------------------------


def conv2d_forward(
    x: ArrayLike, w: ArrayLike, b: ArrayLike | None, stride: Pair, padding: Padding
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, ConvGeometry]:
    w = _array("w", w, KERNEL)
    x = _array("x", x, IMAGES, w.dtype)
    g = geometry.conv2d(x.shape[1:], w.shape, stride, padding)
    return x, w, _bias(b, w), g


def conv2d_backward(
    dy: ArrayLike, x: ArrayLike, w: ArrayLike, stride: Pair, padding: Padding
) -> tuple[np.ndarray, np.ndarray, np.ndarray, ConvGeometry]:
    x, w, _, g = conv2d_forward(x, w, None, stride, padding)
    dy = checks.real("dy", dy, w.dtype)
    checks.shape("dy", dy, (len(x), *g.output_shape), CONVOLVED)
    return dy, x, w, g


def conv2d_input_gradient(
    dy: ArrayLike, w: ArrayLike, input_shape: Shape, stride: Pair, padding: Padding
) -> tuple[np.ndarray, np.ndarray, ConvGeometry]:
    w = _array("w", w, KERNEL)
    dy = checks.real("dy", dy, w.dtype)
    input_shape = checks.sizes("input_shape", input_shape, IMAGES)
    g = geometry.conv2d(input_shape[1:], w.shape, stride, padding)
    checks.shape("dy", dy, (input_shape[0], *g.output_shape), CONVOLVED)
    return dy, w, g


def conv2d_weight_gradient(
    dy: ArrayLike, x: ArrayLike, kernel_shape: Shape, stride: Pair, padding: Padding
) -> tuple[np.ndarray, np.ndarray, ConvGeometry]:
    dy = checks.real("dy", dy)
    x = _array("x", x, IMAGES, dy.dtype)
    kernel_shape = checks.sizes("kernel_shape", kernel_shape, KERNEL)
    g = geometry.conv2d(x.shape[1:], kernel_shape, stride, padding)
    checks.shape("dy", dy, (len(x), *g.output_shape), CONVOLVED)
    return dy, x, g


# ---- pooling -----------------------------------------------------------------------------------------------


def pool2d_forward(
    x: ArrayLike, pool_size: Pair, stride: Pair | None, padding: Pair
) -> tuple[np.ndarray, PoolGeometry]:
    """Of maximum and mean alike."""
    x = _array("x", x, MAPS)
    return x, geometry.pool2d(x.shape[1:], pool_size, stride, padding)


def maxpool2d_backward(
    dy: ArrayLike, switches: ArrayLike, input_shape: Shape, pool_size: Pair, stride: Pair | None, padding: Pair
) -> tuple[np.ndarray, np.ndarray, PoolGeometry]:
    dy, g = avgpool2d_backward(dy, input_shape, pool_size, stride, padding)
    switches = checks.switches("switches", switches, g.kh * g.kw)
    checks.shape("switches", switches, dy.shape, POOLED)
    return dy, switches, g


def maxpool2d_backward_ties(
    dy: ArrayLike, x: ArrayLike, y: ArrayLike, pool_size: Pair, stride: Pair | None, padding: Pair
) -> tuple[np.ndarray, np.ndarray, np.ndarray, PoolGeometry]:
    x, g = pool2d_forward(x, pool_size, stride, padding)
    dy, y = checks.real("dy", dy, x.dtype), checks.real("y", y, x.dtype)
    checks.shape("dy", dy, (len(x), *g.output_shape), POOLED)
    checks.shape("y", y, dy.shape, POOLED)
    return dy, x, y, g


def avgpool2d_backward(
    dy: ArrayLike, input_shape: Shape, pool_size: Pair, stride: Pair | None, padding: Pair
) -> tuple[np.ndarray, PoolGeometry]:
    dy = checks.real("dy", dy)
    input_shape = checks.sizes("input_shape", input_shape, MAPS)
    g = geometry.pool2d(input_shape[1:], pool_size, stride, padding)
    checks.shape("dy", dy, (input_shape[0], *g.output_shape), POOLED)
    return dy, g


# ---- dense, activation, loss -------------------------------------------------------------------------------


def dense_forward(x: ArrayLike, w: ArrayLike, b: ArrayLike | None) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    w = _dense_weights(w)
    x = checks.real("x", x, w.dtype)
    checks.shape("x", x, (None, w.shape[0]), "(n, inputs of w)")
    return x, w, _bias(b, w)


def dense_backward(dy: ArrayLike, x: ArrayLike, w: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, w, _ = dense_forward(x, w, None)
    dy = checks.real("dy", dy, w.dtype)
    checks.shape("dy", dy, (len(x), w.shape[1]), "the output's (n, units of w)")
    return dy, x, w


def dense_input_gradient(dy: ArrayLike, w: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    w = _dense_weights(w)
    dy = checks.real("dy", dy, w.dtype)
    checks.shape("dy", dy, (None, w.shape[1]), "the output's (n, units of w)")
    return dy, w


def dense_weight_gradient(dy: ArrayLike, x: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    dy = _array("dy", dy, ("n", "units"))
    x = _array("x", x, ("n", "inputs"), dy.dtype)
    if len(dy) != len(x):
        raise ValueError(f"dy must have a row for each of x, got shapes {dy.shape} and {x.shape}")
    if dy.shape[1] == 0 or x.shape[1] == 0:
        raise ValueError(f"dy and x must have at least one column, got shapes {dy.shape} and {x.shape}")
    return dy, x


def relu_forward(x: ArrayLike) -> np.ndarray:
    return checks.real("x", x)


def relu_backward(dy: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    y = checks.real("y", y)
    dy = checks.real("dy", dy, y.dtype)
    checks.shape("dy", dy, y.shape, "the shape of y")
    return dy, y


def softmax(logits: ArrayLike) -> np.ndarray:
    logits = _array("logits", logits, ("n", "classes"))
    if logits.shape[1] == 0:
        raise ValueError(f"logits must have at least one class, got shape {logits.shape}")
    return logits


def softmax_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    logits = softmax(logits)
    n, classes = logits.shape
    if n == 0:
        raise ValueError(f"logits must have at least one row to take the mean over, got shape {logits.shape}")
    return logits, checks.labels("labels", labels, n, classes)


def _array(name: str, value: ArrayLike, axes: tuple[str, ...], dtype: np.dtype | None = None) -> np.ndarray:
    value = checks.real(name, value, dtype)
    if value.ndim != len(axes):
        raise ValueError(f"{name} must have shape ({', '.join(axes)}), got {value.shape}")
    return value


def _dense_weights(w: ArrayLike) -> np.ndarray:
    w = _array("w", w, ("inputs", "units"))
    if w.size == 0:
        raise ValueError(f"w must have at least one input and one unit, got shape {w.shape}")
    return w


def _bias(b: ArrayLike | None, w: np.ndarray) -> np.ndarray | None:
    """After the checks of w's shape, or an odd `w` would be blamed on `b`."""
    if b is None:
        return None
    b = checks.real("b", b, w.dtype)
    checks.shape("b", b, w.shape[-1:], "one for each output of w")
    return b
