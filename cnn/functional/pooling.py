"""Maximum and mean over windows of images, and their gradients."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..backends import checks, geometry
from ..backends import compiled as ops
from ..backends.annotations import Pair, Shape
from ..backends.geometry import PoolGeometry
from .arguments import with_axes

__all__ = [
    "avgpool2d_backward",
    "avgpool2d_forward",
    "global_avgpool2d_backward",
    "global_avgpool2d_forward",
    "global_maxpool2d_backward",
    "global_maxpool2d_forward",
    "maxpool2d_backward",
    "maxpool2d_backward_ties",
    "maxpool2d_forward",
]

IMAGES = ("n", "h", "w", "c")
OUTPUT = "the output's (n, oh, ow, c)"
GLOBAL_OUTPUT = "the output's (n, c)"


def maxpool2d_forward(
    x: ArrayLike, pool_size: Pair, stride: Pair | None = None, padding: Pair = 0
) -> tuple[np.ndarray, NDArray[np.int32]]:
    """Maximum over windows, and where in its window each maximum was.

    The first maximum in row order wins, a NaN wins over every number (NumPy's and PyTorch's rules). Padding
    never wins, not even over -inf.

    Parameters
    ----------
    x : (n, h, w, c), float32 or float64
        Other dtypes are converted: to float32 where that is exact, else to float64.
    pool_size : int or (int, int)
        Height and width of a window.
    stride : int, (int, int) or None
        None stands for `pool_size`.
    padding : int or (int, int)
        At most half the window. Rows and columns that fill no window are dropped.

    Returns
    -------
    y : (n, oh, ow, c), dtype of `x`
    switches : (n, oh, ow, c) int32
        ``row * kw + column`` of the maximum (its argmax), counted from the top left of its window, padding included.

    Raises
    ------
    TypeError
        An array that holds no real numbers, or is masked; a pool size, stride or padding that is no integer.
    ValueError
        Another number of dimensions, a pool size or stride below 1, padding that is negative or more than half
        the window, a window larger than the padded input.

    Examples
    --------
    >>> import cnn, numpy as np
    >>> x = np.array([[1, 2, 8, 6], [3, 4, 7, 5]], np.float32).reshape(1, 2, 4, 1)
    >>> y, switches = cnn.functional.maxpool2d_forward(x, pool_size=2)
    >>> y.ravel(), switches.ravel()
    (array([4., 8.], dtype=float32), array([3, 0], dtype=int32))
    """
    return ops.maxpool2d_forward(*_operands(x, pool_size, stride, padding))


def maxpool2d_backward(
    dy: ArrayLike,
    switches: ArrayLike,
    input_shape: Shape,
    pool_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
) -> np.ndarray:
    """Gradient of a loss for the input of `maxpool2d_forward`: it goes to the first maximum of each window alone.

    Where windows overlap, an element that won several gets the sum.

    Parameters
    ----------
    dy : (n, oh, ow, c), float32 or float64
        Gradient for the output. Other dtypes are converted as those of x.
    switches : (n, oh, ow, c), integers
        From `maxpool2d_forward`.
    input_shape : (n, h, w, c)
    pool_size, stride, padding
        What `maxpool2d_forward` was given.

    Returns
    -------
    dx : (n, h, w, c), dtype of `dy`

    Raises
    ------
    TypeError
        As `maxpool2d_forward`; `switches` that are no integers; an `input_shape` that is no sequence of ints.
    ValueError
        As `maxpool2d_forward`; `dy` or `switches` without the output's shape; a switch that points outside of
        its window.
    """
    dy, g = _backward_operands(dy, input_shape, pool_size, stride, padding)
    switches = checks.switches("switches", switches, g.kh * g.kw)
    checks.shape("switches", switches, dy.shape, OUTPUT)
    return ops.maxpool2d_backward(dy, switches, g)


def maxpool2d_backward_ties(
    dy: ArrayLike, x: ArrayLike, y: ArrayLike, pool_size: Pair, stride: Pair | None = None, padding: Pair = 0
) -> np.ndarray:
    """Gradient of a loss for the input of `maxpool2d_forward`: it goes to every maximum of each window.

    This is the rule of the tutorial. It is no gradient of the maximum where there are ties, and images with a
    flat background are full of them. A NaN equals nothing: a window whose maximum is NaN passes nothing on.

    Parameters
    ----------
    dy : (n, oh, ow, c)
        Gradient for the output. Converted to the dtype of `x`.
    x : (n, h, w, c), float32 or float64
    y : (n, oh, ow, c)
        The output. Converted to the dtype of `x`.
    pool_size, stride, padding
        What `maxpool2d_forward` was given.

    Returns
    -------
    dx : (n, h, w, c), dtype of `x`

    Raises
    ------
    TypeError, ValueError
        As `maxpool2d_forward`; `dy` or `y` without the output's shape.
    """
    x, g = _operands(x, pool_size, stride, padding)
    dy, y = checks.real("dy", dy, x.dtype), checks.real("y", y, x.dtype)
    checks.shape("dy", dy, (len(x), *g.output_shape), OUTPUT)
    checks.shape("y", y, dy.shape, OUTPUT)
    return ops.maxpool2d_backward_ties(dy, x, y, g)


def avgpool2d_forward(x: ArrayLike, pool_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> np.ndarray:
    """Mean over windows, of those elements that lie on the image: padding does not count (ONNX's default).

    Parameters
    ----------
    x : (n, h, w, c), float32 or float64
        Other dtypes are converted: to float32 where that is exact, else to float64.
    pool_size, stride, padding
        As in `maxpool2d_forward`.

    Returns
    -------
    y : (n, oh, ow, c), dtype of `x`

    Raises
    ------
    TypeError, ValueError
        As `maxpool2d_forward`.
    """
    return ops.avgpool2d_forward(*_operands(x, pool_size, stride, padding))


def avgpool2d_backward(
    dy: ArrayLike, input_shape: Shape, pool_size: Pair, stride: Pair | None = None, padding: Pair = 0
) -> np.ndarray:
    """Gradient of a loss for the input of `avgpool2d_forward`: each window shares it out among its elements.

    Parameters
    ----------
    dy : (n, oh, ow, c), float32 or float64
        Gradient for the output. Other dtypes are converted as those of x.
    input_shape : (n, h, w, c)
    pool_size, stride, padding
        What `avgpool2d_forward` was given.

    Returns
    -------
    dx : (n, h, w, c), dtype of `dy`

    Raises
    ------
    TypeError
        As `avgpool2d_forward`; an `input_shape` that is no sequence of ints.
    ValueError
        As `avgpool2d_forward`; `dy` without the output's shape.
    """
    return ops.avgpool2d_backward(*_backward_operands(dy, input_shape, pool_size, stride, padding))


def global_avgpool2d_forward(x: ArrayLike) -> np.ndarray:
    """Mean of every channel over a whole map.

    Parameters
    ----------
    x : (n, h, w, c), float32 or float64
        Other dtypes are converted: to float32 where that is exact, else to float64.

    Returns
    -------
    y : (n, c), dtype of `x`

    Raises
    ------
    TypeError
        `x` is no array of real numbers, or is masked.
    ValueError
        Another number of dimensions, a height, width or number of channels of 0.
    """
    x = with_axes("x", x, IMAGES)
    g = geometry.pool2d(x.shape[1:], x.shape[1:3])
    return ops.avgpool2d_forward(x, g).reshape(len(x), g.c)


def global_avgpool2d_backward(dy: ArrayLike, input_shape: Shape) -> np.ndarray:
    """Gradient of a loss for the input of `global_avgpool2d_forward`: each pixel of a map gets an equal share.

    Parameters
    ----------
    dy : (n, c), float32 or float64
        Gradient for the output. Other dtypes are converted as those of x.
    input_shape : (n, h, w, c)

    Returns
    -------
    dx : (n, h, w, c), dtype of `dy`

    Raises
    ------
    TypeError
        `dy` is no array of real numbers, or is masked; an `input_shape` that is no sequence of ints.
    ValueError
        `dy` without the output's shape; a height, width or number of channels of 0.
    """
    return ops.avgpool2d_backward(*_global_backward_operands(dy, input_shape))


def global_maxpool2d_forward(x: ArrayLike) -> tuple[np.ndarray, NDArray[np.int32]]:
    """Maximum of every channel over a whole map, and where it was.

    The first maximum in row order wins, a NaN wins over every number, as in `maxpool2d_forward`.

    Parameters
    ----------
    x : (n, h, w, c), float32 or float64
        Other dtypes are converted: to float32 where that is exact, else to float64.

    Returns
    -------
    y : (n, c), dtype of `x`
    switches : (n, c) int32
        ``row * w + column`` of the maximum (its argmax).

    Raises
    ------
    TypeError
        `x` is no array of real numbers, or is masked.
    ValueError
        Another number of dimensions, a height, width or number of channels of 0.
    """
    x = with_axes("x", x, IMAGES)
    g = geometry.pool2d(x.shape[1:], x.shape[1:3])
    y, switches = ops.maxpool2d_forward(x, g)
    return y.reshape(len(x), g.c), switches.reshape(len(x), g.c)


def global_maxpool2d_backward(dy: ArrayLike, switches: ArrayLike, input_shape: Shape) -> np.ndarray:
    """Gradient of a loss for the input of `global_maxpool2d_forward`: it goes to the first maximum of a map alone.

    Parameters
    ----------
    dy : (n, c), float32 or float64
        Gradient for the output. Other dtypes are converted as those of x.
    switches : (n, c), integers
        From `global_maxpool2d_forward`.
    input_shape : (n, h, w, c)

    Returns
    -------
    dx : (n, h, w, c), dtype of `dy`

    Raises
    ------
    TypeError
        `dy` is no array of real numbers, or is masked; `switches` that are no integers; an `input_shape` that is no
        sequence of ints.
    ValueError
        `dy` or `switches` without the output's shape; a switch that points outside of its map; a height, width or
        number of channels of 0.
    """
    dy, g = _global_backward_operands(dy, input_shape)
    switches = checks.switches("switches", switches, g.h * g.w)
    checks.shape("switches", switches, (len(dy), g.c), GLOBAL_OUTPUT)
    return ops.maxpool2d_backward(dy, switches.reshape(dy.shape), g)


def _operands(x: ArrayLike, pool_size: Pair, stride: Pair | None, padding: Pair) -> tuple[np.ndarray, PoolGeometry]:
    x = with_axes("x", x, IMAGES)
    return x, geometry.pool2d(x.shape[1:], pool_size, stride, padding)


def _backward_operands(
    dy: ArrayLike, input_shape: Shape, pool_size: Pair, stride: Pair | None, padding: Pair
) -> tuple[np.ndarray, PoolGeometry]:
    dy = checks.real("dy", dy)
    input_shape = checks.sizes("input_shape", input_shape, IMAGES)
    g = geometry.pool2d(input_shape[1:], pool_size, stride, padding)
    checks.shape("dy", dy, (input_shape[0], *g.output_shape), OUTPUT)
    return dy, g


def _global_backward_operands(dy: ArrayLike, input_shape: Shape) -> tuple[np.ndarray, PoolGeometry]:
    """The gradient as a map of one pixel."""
    dy = checks.real("dy", dy)
    input_shape = checks.sizes("input_shape", input_shape, IMAGES)
    g = geometry.pool2d(input_shape[1:], input_shape[1:3])
    checks.shape("dy", dy, (input_shape[0], g.c), GLOBAL_OUTPUT)
    return dy.reshape(len(dy), *g.output_shape), g
