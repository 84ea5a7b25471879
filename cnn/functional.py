"""The operations as functions: arguments are checked, and the compiled kernels run.

`cnn.reference` has the same functions in NumPy. Arrays are channels last; the parameters `w` decide the dtype
(float32 or float64), and what meets them is converted to it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from . import arguments
from .arguments import Padding, Pair, Shape
from .backends import compiled
from .backends.program import Elementwise

# ---- convolution -------------------------------------------------------------------------------------------


def conv2d_forward(
    x: ArrayLike, w: ArrayLike, b: ArrayLike | None, stride: Pair = 1, padding: Padding = "valid"
) -> np.ndarray:
    """Cross-correlation of a batch of images with a kernel, plus a bias: the "convolution" of neural networks.

    ``y[n, i, j, f] = b[f] + sum over u, v, c of x[n, i * sh + u - ph, j * sw + v - pw, c] * w[u, v, c, f]``,
    where x is zero outside of its borders.

    Parameters
    ----------
    x : (n, h, w, c_in)
        Converted to the dtype of `w`.
    w : (kh, kw, c_in, c_out), float32 or float64
        Other dtypes are converted: to float32 where that is exact, else to float64.
    b : (c_out,) or None
    stride : int or (int, int)
    padding : "valid", "same", int or (int, int)
        "same" gives ceil(h / stride) rows, an odd row of padding at the bottom (TensorFlow's rule).

    Returns
    -------
    y : (n, oh, ow, c_out), dtype of `w`
        Empty for a batch of 0.

    Raises
    ------
    TypeError
        An array that holds no real numbers, or is masked; a stride or padding that is no integer.
    ValueError
        Shapes that do not fit each other, a stride below 1, negative padding, a kernel larger than the padded
        input.
    """
    return compiled.conv2d_forward(*arguments.conv2d_forward(x, w, b, stride, padding))


def conv2d_backward(
    dy: ArrayLike, x: ArrayLike, w: ArrayLike, stride: Pair = 1, padding: Padding = "valid"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of a loss for the input, the kernel and the bias of `conv2d_forward`.

    Parameters
    ----------
    dy : (n, oh, ow, c_out)
        Gradient for the output. Converted to the dtype of `w`.
    x, w, stride, padding
        What `conv2d_forward` was given.

    Returns
    -------
    dx : (n, h, w, c_in), dtype of `w`
    dw : (kh, kw, c_in, c_out), dtype of `w`
        Sum over the batch.
    db : (c_out,), dtype of `w`
        Sum over the batch.

    Raises
    ------
    TypeError, ValueError
        As `conv2d_forward`; and a `dy` that has not the output's shape.
    """
    dy, x, w, g = arguments.conv2d_backward(dy, x, w, stride, padding)
    return compiled.conv2d_input_gradient(dy, w, g), *compiled.conv2d_weight_gradient(dy, x, g)


def conv2d_input_gradient(
    dy: ArrayLike, w: ArrayLike, input_shape: Shape, stride: Pair = 1, padding: Padding = "valid"
) -> np.ndarray:
    """The `dx` of `conv2d_backward` alone.

    Parameters
    ----------
    dy, w, stride, padding
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
    return compiled.conv2d_input_gradient(*arguments.conv2d_input_gradient(dy, w, input_shape, stride, padding))


def conv2d_weight_gradient(
    dy: ArrayLike, x: ArrayLike, kernel_shape: Shape, stride: Pair = 1, padding: Padding = "valid"
) -> tuple[np.ndarray, np.ndarray]:
    """The `dw` and `db` of `conv2d_backward` alone.

    Parameters
    ----------
    dy : (n, oh, ow, c_out), float32 or float64
        Other dtypes are converted: to float32 where that is exact, else to float64.
    x : (n, h, w, c_in)
        Converted to the dtype of `dy`.
    kernel_shape : (kh, kw, c_in, c_out)
        The shape of w.
    stride, padding
        As in `conv2d_backward`.

    Returns
    -------
    dw : (kh, kw, c_in, c_out), dtype of `dy`
    db : (c_out,), dtype of `dy`

    Raises
    ------
    TypeError, ValueError
        As `conv2d_backward`; and a `kernel_shape` that is no sequence of four sizes.
    """
    return compiled.conv2d_weight_gradient(*arguments.conv2d_weight_gradient(dy, x, kernel_shape, stride, padding))


# ---- max pooling -------------------------------------------------------------------------------------------


def maxpool2d_forward(
    x: ArrayLike, pool_size: Pair, stride: Pair | None = None, padding: Pair = 0
) -> tuple[np.ndarray, np.ndarray]:
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
        ``row * kw + column`` of the winner, counted from the top left of its window, padding included.

    Raises
    ------
    TypeError
        An array that holds no real numbers, or is masked; a pool size, stride or padding that is no integer.
    ValueError
        Another number of dimensions, a pool size or stride below 1, padding that is negative or more than half
        the window, a window larger than the padded input.
    """
    return compiled.maxpool2d_forward(*arguments.pool2d_forward(x, pool_size, stride, padding))


def maxpool2d_backward(
    dy: ArrayLike,
    switches: ArrayLike,
    input_shape: Shape,
    pool_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
) -> np.ndarray:
    """Gradient of a loss for the input of `maxpool2d_forward`: it goes to the winner of each window alone.

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
    return compiled.maxpool2d_backward(
        *arguments.maxpool2d_backward(dy, switches, input_shape, pool_size, stride, padding)
    )


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
    return compiled.maxpool2d_backward_ties(*arguments.maxpool2d_backward_ties(dy, x, y, pool_size, stride, padding))


# ---- average pooling ---------------------------------------------------------------------------------------


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
    return compiled.avgpool2d_forward(*arguments.pool2d_forward(x, pool_size, stride, padding))


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
    return compiled.avgpool2d_backward(*arguments.avgpool2d_backward(dy, input_shape, pool_size, stride, padding))


# ---- dense, activation, loss -------------------------------------------------------------------------------


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
    """
    return compiled.dense_forward(*arguments.dense_forward(x, w, b))


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
    dy, x, w = arguments.dense_backward(dy, x, w)
    return compiled.dense_input_gradient(dy, w), *compiled.dense_weight_gradient(dy, x)


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
    return compiled.dense_input_gradient(*arguments.dense_input_gradient(dy, w))


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
    return compiled.dense_weight_gradient(*arguments.dense_weight_gradient(dy, x))


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
    return compiled.elementwise_forward(Elementwise("relu"), arguments.relu_forward(x))


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
    return compiled.elementwise_backward(Elementwise("relu"), *arguments.relu_backward(dy, y))


def softmax(logits: ArrayLike) -> np.ndarray:
    """Each row's ``exp(logits)``, divided by its sum.

    The row's maximum is subtracted first, so that no finite logit overflows. A row that holds NaN or +inf, or
    nothing but -inf, becomes NaN.

    Parameters
    ----------
    logits : (n, classes), float32 or float64
        Other dtypes are converted: to float32 where that is exact, else to float64.

    Returns
    -------
    probabilities : (n, classes), dtype of `logits`

    Raises
    ------
    TypeError
        `logits` is no array of real numbers, or is masked.
    ValueError
        Another number of dimensions, or no class at all.
    """
    return compiled.softmax(arguments.softmax(logits))


def softmax_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean over the batch of ``-log(softmax(logits)[label])``, the probabilities, and the loss's gradient.

    A row of logits that holds NaN or +inf, or nothing but -inf, makes the loss NaN and its rows of the
    results. A label whose logit is -inf makes the loss inf.

    Parameters
    ----------
    logits : (n, classes), float32 or float64
        Other dtypes are converted: to float32 where that is exact, else to float64.
    labels : (n,) whole numbers from 0 to classes - 1, or (n, classes) one-hot

    Returns
    -------
    loss : float
        In nats.
    probabilities : (n, classes), dtype of `logits`
    dlogits : (n, classes), dtype of `logits`
        Gradient of the mean: ``(probabilities - one_hot(labels)) / n``.

    Raises
    ------
    TypeError
        An argument that is no array of real numbers, or is masked.
    ValueError
        A batch of 0; no class at all; labels that are no classes (the first bad index is named), or of another
        length.
    """
    return compiled.softmax_cross_entropy(*arguments.softmax_cross_entropy(logits, labels))
