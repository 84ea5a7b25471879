"""The operations in pure NumPy: what the compiled kernels are tested against.

Here stands what each function does; arguments are checked, then `operations` computes. Names, order and defaults of
the arguments are those of `cnn.functional`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .. import checks, geometry
from ..geometry import ConvGeometry
from . import operations

Pair = int | tuple[int, int]
Padding = str | Pair

# ---- convolution -------------------------------------------------------------------------------------------


def conv2d_forward(
    x: ArrayLike, w: ArrayLike, b: ArrayLike | None, stride: Pair = 1, padding: Padding = "valid"
) -> np.ndarray:
    """Cross-correlation of a batch of images with a kernel, plus a bias.

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
    (n, oh, ow, c_out), dtype of `w`
        Empty for a batch of 0.

    Raises
    ------
    TypeError
        An argument that is no array of real numbers, or is masked.
    ValueError
        Shapes that do not fit each other, a stride below 1, negative padding, a kernel larger than the padded
        input.
    """
    x, w, g = _conv2d_arguments(x, w, stride, padding)
    return operations.conv2d_forward(x, w, _bias(b, g.c_out, w.dtype), g)


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
    dx : (n, h, w, c_in)
    dw : (kh, kw, c_in, c_out)
        Sum over the batch.
    db : (c_out,)
        Sum over the batch.

    Raises
    ------
    TypeError, ValueError
        As `conv2d_forward`; and a `dy` that has not the output's shape.
    """
    x, w, _ = _conv2d_arguments(x, w, stride, padding)
    dy = checks.real("dy", dy, w.dtype)
    dw, db = conv2d_weight_gradient(dy, x, w.shape, stride, padding)
    return conv2d_input_gradient(dy, w, x.shape, stride, padding), dw, db


def conv2d_input_gradient(
    dy: ArrayLike, w: ArrayLike, input_shape: tuple[int, ...], stride: Pair = 1, padding: Padding = "valid"
) -> np.ndarray:
    """The `dx` of `conv2d_backward`, (n, h, w, c_in); `input_shape` is that of x."""
    w = checks.real("w", w)
    dy = checks.real("dy", dy, w.dtype)
    g = geometry.conv2d_batch(input_shape, w.shape, stride, padding)
    checks.shape("dy", dy, (input_shape[0], *g.output_shape), "(n, oh, ow, c_out)")
    return operations.conv2d_input_gradient(dy, w, g)


def conv2d_weight_gradient(
    dy: ArrayLike, x: ArrayLike, kernel_shape: tuple[int, ...], stride: Pair = 1, padding: Padding = "valid"
) -> tuple[np.ndarray, np.ndarray]:
    """The `dw` and `db` of `conv2d_backward`, of the dtype of `dy`; `kernel_shape` is that of w."""
    dy = checks.real("dy", dy)
    x = checks.real("x", x, dy.dtype)
    g = geometry.conv2d_batch(x.shape, kernel_shape, stride, padding)
    checks.shape("dy", dy, (len(x), *g.output_shape), "(n, oh, ow, c_out)")
    return operations.conv2d_weight_gradient(dy, x, g)


def _conv2d_arguments(
    x: ArrayLike, w: ArrayLike, stride: Pair, padding: Padding
) -> tuple[np.ndarray, np.ndarray, ConvGeometry]:
    w = checks.real("w", w)
    x = checks.real("x", x, w.dtype)
    return x, w, geometry.conv2d_batch(x.shape, w.shape, stride, padding)


def _bias(b: ArrayLike | None, size: int, dtype: np.dtype) -> np.ndarray | None:
    if b is None:
        return None
    b = checks.real("b", b, dtype)
    checks.shape("b", b, (size,), "one for each output channel")
    return b


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
        An argument that is no array of real numbers, or is masked.
    ValueError
        Another number of dimensions, a stride below 1, padding of more than half the window, a window larger
        than the padded input.
    """
    x = checks.real("x", x)
    g = geometry.pool2d_batch(x.shape, pool_size, stride, padding)
    return operations.maxpool2d_forward(x, g)


def maxpool2d_backward(
    dy: ArrayLike,
    switches: ArrayLike,
    input_shape: tuple[int, int, int, int],
    pool_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
) -> np.ndarray:
    """Gradient of a loss for the input of `maxpool2d_forward`: it goes to the winner of each window alone.

    Where windows overlap, an element that won several gets the sum.

    Parameters
    ----------
    dy : (n, oh, ow, c), float32 or float64
        Gradient for the output.
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
        A `dy` that is no array of real numbers, `switches` that are no integers, either of them masked.
    ValueError
        As `maxpool2d_forward`; `dy` or `switches` without the output's shape; a switch that points outside of
        its window.
    """
    g = geometry.pool2d_batch(input_shape, pool_size, stride, padding)
    dy = checks.real("dy", dy)
    checks.shape("dy", dy, (input_shape[0], *g.output_shape), "(n, oh, ow, c)")
    switches = checks.switches("switches", switches, g.kh * g.kw)
    checks.shape("switches", switches, dy.shape, "the shape of dy")
    return operations.maxpool2d_backward(dy, switches, g)


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
    x = checks.real("x", x)
    g = geometry.pool2d_batch(x.shape, pool_size, stride, padding)
    dy, y = checks.real("dy", dy, x.dtype), checks.real("y", y, x.dtype)
    for name, value in (("dy", dy), ("y", y)):
        checks.shape(name, value, (len(x), *g.output_shape), "(n, oh, ow, c)")
    return operations.maxpool2d_backward_ties(dy, x, y, g)


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
    (n, oh, ow, c), dtype of `x`

    Raises
    ------
    TypeError, ValueError
        As `maxpool2d_forward`.
    """
    x = checks.real("x", x)
    return operations.avgpool2d_forward(x, geometry.pool2d_batch(x.shape, pool_size, stride, padding))


def avgpool2d_backward(
    dy: ArrayLike,
    input_shape: tuple[int, int, int, int],
    pool_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
) -> np.ndarray:
    """Gradient of a loss for the input of `avgpool2d_forward`: each window shares it out among its elements.

    Parameters
    ----------
    dy : (n, oh, ow, c), float32 or float64
        Gradient for the output.
    input_shape : (n, h, w, c)
    pool_size, stride, padding
        What `avgpool2d_forward` was given.

    Returns
    -------
    dx : (n, h, w, c), dtype of `dy`

    Raises
    ------
    TypeError
        A `dy` that is no array of real numbers, or is masked.
    ValueError
        As `avgpool2d_forward`; `dy` without the output's shape.
    """
    g = geometry.pool2d_batch(input_shape, pool_size, stride, padding)
    dy = checks.real("dy", dy)
    checks.shape("dy", dy, (input_shape[0], *g.output_shape), "(n, oh, ow, c)")
    return operations.avgpool2d_backward(dy, g)


# ---- dense, activation, loss -------------------------------------------------------------------------------


def dense_forward(x: ArrayLike, w: ArrayLike, b: ArrayLike | None) -> np.ndarray:
    """``y = x @ w + b``.

    Parameters
    ----------
    x : (n, c_in)
        Converted to the dtype of `w`.
    w : (c_in, c_out), float32 or float64
        Other dtypes are converted: to float32 where that is exact, else to float64.
    b : (c_out,) or None

    Returns
    -------
    (n, c_out), dtype of `w`

    Raises
    ------
    TypeError
        An argument that is no array of real numbers, or is masked.
    ValueError
        Shapes that do not fit each other.
    """
    x, w = _dense_arguments(x, w)
    return operations.dense_forward(x, w, _bias(b, w.shape[1], w.dtype))


def dense_backward(dy: ArrayLike, x: ArrayLike, w: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of a loss for the input, the weights and the bias of `dense_forward`.

    Parameters
    ----------
    dy : (n, c_out)
        Gradient for the output. Converted to the dtype of `w`.
    x, w
        What `dense_forward` was given.

    Returns
    -------
    dx : (n, c_in)
    dw : (c_in, c_out)
        Sum over the batch.
    db : (c_out,)
        Sum over the batch.

    Raises
    ------
    TypeError, ValueError
        As `dense_forward`; and a `dy` that has not the output's shape.
    """
    x, w = _dense_arguments(x, w)
    dy = checks.real("dy", dy, w.dtype)
    checks.shape("dy", dy, (len(x), w.shape[1]), "(n, c_out)")
    dw, db = dense_weight_gradient(dy, x)
    return dense_input_gradient(dy, w), dw, db


def dense_input_gradient(dy: ArrayLike, w: ArrayLike) -> np.ndarray:
    """The `dx` of `dense_backward`, (n, c_in)."""
    w = checks.real("w", w)
    dy = checks.real("dy", dy, w.dtype)
    checks.shape("w", w, (None, None), "(c_in, c_out)")
    checks.shape("dy", dy, (None, w.shape[1]), "(n, c_out)")
    return operations.dense_input_gradient(dy, w)


def dense_weight_gradient(dy: ArrayLike, x: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The `dw` (c_in, c_out) and `db` (c_out,) of `dense_backward`, of the dtype of `dy`."""
    dy = checks.real("dy", dy)
    x = checks.real("x", x, dy.dtype)
    checks.shape("x", x, (None, None), "(n, c_in)")
    checks.shape("dy", dy, (len(x), None), "(n, c_out)")
    return operations.dense_weight_gradient(dy, x)


def _dense_arguments(x: ArrayLike, w: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    w = checks.real("w", w)
    checks.shape("w", w, (None, None), "(c_in, c_out)")
    if w.size == 0:
        raise ValueError(f"w must have at least one input and one output, got shape {w.shape}")
    x = checks.real("x", x, w.dtype)
    checks.shape("x", x, (None, w.shape[0]), f"(n, c_in) for w of shape {w.shape}")
    return x, w


def relu_forward(x: ArrayLike) -> np.ndarray:
    """``y = max(x, 0)``, element by element; NaN stays NaN.

    Parameters
    ----------
    x : any shape, float32 or float64
        Other dtypes are converted: to float32 where that is exact, else to float64.

    Returns
    -------
    Shape and dtype of `x`

    Raises
    ------
    TypeError
        `x` is no array of real numbers, or is masked.
    """
    return operations.relu_forward(checks.real("x", x))


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
    return operations.relu_backward(dy, y)


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
    (n, classes), dtype of `logits`

    Raises
    ------
    TypeError
        `logits` is no array of real numbers, or is masked.
    ValueError
        Another number of dimensions, or no class at all.
    """
    return operations.softmax(_logits(logits))


def softmax_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean over the batch of ``-log(softmax(logits)[label])``, the probabilities, and the loss's gradient.

    A row of logits that holds NaN or +inf, or nothing but -inf, makes the loss NaN and its rows of the
    results. A label whose logit is -inf makes the loss inf.

    Parameters
    ----------
    logits : (n, classes), float32 or float64
        Other dtypes are converted: to float32 where that is exact, else to float64.
    labels : (n,) whole numbers, or (n, classes) one-hot

    Returns
    -------
    loss : float
    probabilities : (n, classes), dtype of `logits`
    dlogits : (n, classes), dtype of `logits`
        Gradient of the mean: ``(probabilities - one_hot(labels)) / n``.

    Raises
    ------
    TypeError
        An argument that is no array of real numbers, or is masked.
    ValueError
        A batch of 0; labels that are no classes (the first bad index is named), or of another length.
    """
    logits = _logits(logits)
    n, classes = logits.shape
    if n == 0:
        raise ValueError(f"logits must have at least one row to take the mean over, got shape {logits.shape}")
    labels = checks.labels("labels", labels, n, classes)
    return operations.softmax_cross_entropy(logits, labels)


def _logits(logits: ArrayLike) -> np.ndarray:
    logits = checks.real("logits", logits)
    checks.shape("logits", logits, (None, None), "(n, classes)")
    if logits.shape[1] == 0:
        raise ValueError(f"logits must have at least one class, got shape {logits.shape}")
    return logits
