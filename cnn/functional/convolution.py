"""Convolution of images, and its gradients."""

from __future__ import annotations

from typing import SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from ..backends import checks, geometry
from ..backends import compiled as ops
from ..backends.annotations import Padding, Pair, Shape
from ..backends.geometry import ConvGeometry
from .arguments import bias, with_axes

__all__ = [
    "conv2d_backward",
    "conv2d_forward",
    "conv2d_input_gradient",
    "conv2d_weight_gradient",
]

IMAGES = ("n", "h", "w", "c_in")
KERNEL = ("kh", "kw", "c_in // groups", "c_out")
OUTPUT = "the output's (n, oh, ow, c_out)"


def conv2d_forward(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None,
    stride: Pair = 1,
    padding: Padding = "valid",
    dilation: Pair = 1,
    groups: SupportsIndex = 1,
) -> np.ndarray:
    """Cross-correlation of a batch of images with a kernel, plus a bias: the "convolution" of neural networks.

    ``y[n, i, j, f] = b[f] + sum over u, v, c of x[n, i * sh + u * dh - ph, j * sw + v * dw - pw, c] * w[u, v, c, f]``,
    where x is zero outside of its borders, and (dh, dw) is the dilation. With groups, x and y are as many blocks of
    channels, and c is counted in the block of x that has the number of f's block.

    A kernel of 3x3 with many channels and stride 1 is computed in tiles of 2 x 2 outputs (Winograd's algorithm): where
    x is not finite, outputs beside the windows that hold it may be NaN, too.

    Parameters
    ----------
    x : (n, h, w, c_in)
        Converted to the dtype of `w`.
    w : (kh, kw, c_in // groups, c_out), float32 or float64
        Other dtypes are converted: to float32 where that is exact, else to float64.
    b : (c_out,) or None
    stride : int or (int, int)
    padding : "valid", "same", int or (int, int)
        "same" gives ceil(h / stride) rows, an odd row of padding at the bottom (TensorFlow's rule).
    dilation : int or (int, int)
        Distance of neighbouring positions of the kernel in the image.
    groups : int

    Returns
    -------
    y : (n, oh, ow, c_out), dtype of `w`
        Empty for a batch of 0.

    Raises
    ------
    TypeError
        An array that holds no real numbers, or is masked; a stride, padding, dilation or groups that are no integer.
    ValueError
        Shapes that do not fit each other, a stride, dilation or groups below 1, negative padding, a kernel larger than
        the padded input, groups that do not divide c_in and c_out.

    Examples
    --------
    >>> import cnn, numpy as np
    >>> x = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    >>> w = np.ones((3, 3, 1, 1), np.float32)  # sums of all windows of 3x3 pixels
    >>> cnn.functional.conv2d_forward(x, w, b=None)[0, :, :, 0]
    array([[45., 54.],
           [81., 90.]], dtype=float32)
    """
    x, w, g = _operands(x, w, stride, padding, dilation, groups)
    return ops.conv2d_forward(x, w, bias(b, w), g)


def conv2d_backward(
    dy: ArrayLike,
    x: ArrayLike,
    w: ArrayLike,
    stride: Pair = 1,
    padding: Padding = "valid",
    dilation: Pair = 1,
    groups: SupportsIndex = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of a loss for the input, the kernel and the bias of `conv2d_forward`.

    Parameters
    ----------
    dy : (n, oh, ow, c_out)
        Gradient for the output. Converted to the dtype of `w`.
    x, w, stride, padding, dilation, groups
        What `conv2d_forward` was given.

    Returns
    -------
    dx : (n, h, w, c_in), dtype of `w`
    dw : (kh, kw, c_in // groups, c_out), dtype of `w`
        Sum over the batch.
    db : (c_out,), dtype of `w`
        Sum over the batch.

    Raises
    ------
    TypeError, ValueError
        As `conv2d_forward`; and a `dy` that has not the output's shape.

    Examples
    --------
    >>> import cnn, numpy as np
    >>> x, w = np.ones((1, 3, 3, 1), np.float32), np.ones((2, 2, 1, 1), np.float32)
    >>> dx, dw, db = cnn.functional.conv2d_backward(np.ones((1, 2, 2, 1), np.float32), x, w)
    >>> dx[0, :, :, 0]  # how many windows have each pixel
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]], dtype=float32)
    """
    x, w, g = _operands(x, w, stride, padding, dilation, groups)
    dy = checks.real("dy", dy, w.dtype)
    checks.shape("dy", dy, (len(x), *g.output_shape), OUTPUT)
    return ops.conv2d_input_gradient(dy, w, g), *ops.conv2d_weight_gradient(dy, x, g)


def conv2d_input_gradient(
    dy: ArrayLike,
    w: ArrayLike,
    input_shape: Shape,
    stride: Pair = 1,
    padding: Padding = "valid",
    dilation: Pair = 1,
    groups: SupportsIndex = 1,
) -> np.ndarray:
    """The `dx` of `conv2d_backward` alone.

    Parameters
    ----------
    dy, w, stride, padding, dilation, groups
        As in `conv2d_backward`.
    input_shape : (n, h, w, c_in)
        The shape of x.

    Returns
    -------
    dx : (n, h, w, c_in), dtype of `w`

    Raises
    ------
    TypeError, ValueError
        As `conv2d_backward`; and an `input_shape` that is no sequence of four sizes.
    """
    w = with_axes("w", w, KERNEL)
    dy = checks.real("dy", dy, w.dtype)
    input_shape = checks.sizes("input_shape", input_shape, IMAGES)
    g = geometry.conv2d(input_shape[1:], w.shape, stride, padding, dilation, groups)
    checks.shape("dy", dy, (input_shape[0], *g.output_shape), OUTPUT)
    return ops.conv2d_input_gradient(dy, w, g)


def conv2d_weight_gradient(
    dy: ArrayLike,
    x: ArrayLike,
    kernel_shape: Shape,
    stride: Pair = 1,
    padding: Padding = "valid",
    dilation: Pair = 1,
    groups: SupportsIndex = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """The `dw` and `db` of `conv2d_backward` alone.

    Parameters
    ----------
    dy : (n, oh, ow, c_out), float32 or float64
        Other dtypes are converted: to float32 where that is exact, else to float64.
    x : (n, h, w, c_in)
        Converted to the dtype of `dy`.
    kernel_shape : (kh, kw, c_in // groups, c_out)
        The shape of w.
    stride, padding, dilation, groups
        As in `conv2d_backward`.

    Returns
    -------
    dw : (kh, kw, c_in // groups, c_out), dtype of `dy`
    db : (c_out,), dtype of `dy`

    Raises
    ------
    TypeError, ValueError
        As `conv2d_backward`; and a `kernel_shape` that is no sequence of four sizes.
    """
    dy = checks.real("dy", dy)
    x = with_axes("x", x, IMAGES, dy.dtype)
    kernel_shape = checks.sizes("kernel_shape", kernel_shape, KERNEL)
    g = geometry.conv2d(x.shape[1:], kernel_shape, stride, padding, dilation, groups)
    checks.shape("dy", dy, (len(x), *g.output_shape), OUTPUT)
    return ops.conv2d_weight_gradient(dy, x, g)


def _operands(
    x: ArrayLike, w: ArrayLike, stride: Pair, padding: Padding, dilation: Pair, groups: SupportsIndex
) -> tuple[np.ndarray, np.ndarray, ConvGeometry]:
    w = with_axes("w", w, KERNEL)
    x = with_axes("x", x, IMAGES, w.dtype)
    return x, w, geometry.conv2d(x.shape[1:], w.shape, stride, padding, dilation, groups)
