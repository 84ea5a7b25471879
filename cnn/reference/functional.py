"""The operations as functions in pure NumPy: what the compiled kernels are tested against.

Arguments are checked by the same lines as there, then `operations` computes. What each function does is said once, in
`cnn/functional.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .. import arguments, functional
from ..arguments import Padding, Pair, Shape
from ..backends.select import operations as of_backend
from .twins import twin_of

operations = of_backend("numpy")

# ---- convolution -------------------------------------------------------------------------------------------


@twin_of(functional.conv2d_forward)
def conv2d_forward(
    x: ArrayLike, w: ArrayLike, b: ArrayLike | None, stride: Pair = 1, padding: Padding = "valid"
) -> np.ndarray:
    return operations.conv2d_forward(*arguments.conv2d_forward(x, w, b, stride, padding))


@twin_of(functional.conv2d_backward)
def conv2d_backward(
    dy: ArrayLike, x: ArrayLike, w: ArrayLike, stride: Pair = 1, padding: Padding = "valid"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    dy, x, w, g = arguments.conv2d_backward(dy, x, w, stride, padding)
    return operations.conv2d_input_gradient(dy, w, g), *operations.conv2d_weight_gradient(dy, x, g)


@twin_of(functional.conv2d_input_gradient)
def conv2d_input_gradient(
    dy: ArrayLike, w: ArrayLike, input_shape: Shape, stride: Pair = 1, padding: Padding = "valid"
) -> np.ndarray:
    return operations.conv2d_input_gradient(*arguments.conv2d_input_gradient(dy, w, input_shape, stride, padding))


@twin_of(functional.conv2d_weight_gradient)
def conv2d_weight_gradient(
    dy: ArrayLike, x: ArrayLike, kernel_shape: Shape, stride: Pair = 1, padding: Padding = "valid"
) -> tuple[np.ndarray, np.ndarray]:
    return operations.conv2d_weight_gradient(*arguments.conv2d_weight_gradient(dy, x, kernel_shape, stride, padding))


# ---- max pooling -------------------------------------------------------------------------------------------


@twin_of(functional.maxpool2d_forward)
def maxpool2d_forward(
    x: ArrayLike, pool_size: Pair, stride: Pair | None = None, padding: Pair = 0
) -> tuple[np.ndarray, np.ndarray]:
    return operations.maxpool2d_forward(*arguments.pool2d_forward(x, pool_size, stride, padding))


@twin_of(functional.maxpool2d_backward)
def maxpool2d_backward(
    dy: ArrayLike,
    switches: ArrayLike,
    input_shape: Shape,
    pool_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
) -> np.ndarray:
    return operations.maxpool2d_backward(
        *arguments.maxpool2d_backward(dy, switches, input_shape, pool_size, stride, padding)
    )


@twin_of(functional.maxpool2d_backward_ties)
def maxpool2d_backward_ties(
    dy: ArrayLike, x: ArrayLike, y: ArrayLike, pool_size: Pair, stride: Pair | None = None, padding: Pair = 0
) -> np.ndarray:
    return operations.maxpool2d_backward_ties(*arguments.maxpool2d_backward_ties(dy, x, y, pool_size, stride, padding))


# ---- average pooling ---------------------------------------------------------------------------------------


@twin_of(functional.avgpool2d_forward)
def avgpool2d_forward(x: ArrayLike, pool_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> np.ndarray:
    return operations.avgpool2d_forward(*arguments.pool2d_forward(x, pool_size, stride, padding))


@twin_of(functional.avgpool2d_backward)
def avgpool2d_backward(
    dy: ArrayLike, input_shape: Shape, pool_size: Pair, stride: Pair | None = None, padding: Pair = 0
) -> np.ndarray:
    return operations.avgpool2d_backward(*arguments.avgpool2d_backward(dy, input_shape, pool_size, stride, padding))


# ---- dense, activation, loss -------------------------------------------------------------------------------


@twin_of(functional.dense_forward)
def dense_forward(x: ArrayLike, w: ArrayLike, b: ArrayLike | None) -> np.ndarray:
    return operations.dense_forward(*arguments.dense_forward(x, w, b))


@twin_of(functional.dense_backward)
def dense_backward(dy: ArrayLike, x: ArrayLike, w: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    dy, x, w = arguments.dense_backward(dy, x, w)
    return operations.dense_input_gradient(dy, w), *operations.dense_weight_gradient(dy, x)


@twin_of(functional.dense_input_gradient)
def dense_input_gradient(dy: ArrayLike, w: ArrayLike) -> np.ndarray:
    return operations.dense_input_gradient(*arguments.dense_input_gradient(dy, w))


@twin_of(functional.dense_weight_gradient)
def dense_weight_gradient(dy: ArrayLike, x: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    return operations.dense_weight_gradient(*arguments.dense_weight_gradient(dy, x))


@twin_of(functional.relu_forward)
def relu_forward(x: ArrayLike) -> np.ndarray:
    return operations.relu_forward(arguments.relu_forward(x))


@twin_of(functional.relu_backward)
def relu_backward(dy: ArrayLike, y: ArrayLike) -> np.ndarray:
    return operations.relu_backward(*arguments.relu_backward(dy, y))


@twin_of(functional.softmax)
def softmax(logits: ArrayLike) -> np.ndarray:
    return operations.softmax(arguments.softmax(logits))


@twin_of(functional.softmax_cross_entropy)
def softmax_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> tuple[float, np.ndarray, np.ndarray]:
    return operations.softmax_cross_entropy(*arguments.softmax_cross_entropy(logits, labels))
