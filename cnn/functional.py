"""The operations as functions: arguments are checked, and the compiled kernels run.

`cnn.reference` has the same functions in NumPy. Arrays are channels last; the parameters `w` decide the dtype
(float32 or float64), and what meets them is converted to it.
"""

from __future__ import annotations

from . import checks, compiled, geometry


def conv2d_forward(x, w, b, stride=1, padding="valid"):
    """Two-dimensional cross-correlation, the "convolution" of neural networks.

    Parameters
    ----------
    x : array (n, h, w, c_in)
    w : array (kh, kw, c_in, c_out)
    b : array (c_out,) or None
    stride : int or (int, int)
    padding : "valid", "same", int or (int, int)

    Returns
    -------
    y : array (n, oh, ow, c_out), of the dtype of `w`

    Raises
    ------
    TypeError, ValueError
        Arguments that are no numbers, or whose shapes do not fit.
    """
    x, w, b, g = _conv2d_arguments(x, w, b, stride, padding)
    return compiled.conv2d_forward(x, w, b, g)


def conv2d_backward(dy, x, w, stride=1, padding="valid"):
    """Gradients of `conv2d_forward`.

    Parameters
    ----------
    dy : array (n, oh, ow, c_out)
        Gradient of the loss for the output.
    x, w, stride, padding
        As in `conv2d_forward`.

    Returns
    -------
    dx : array (n, h, w, c_in)
    dw : array (kh, kw, c_in, c_out)
    db : array (c_out,)
    """
    x, w, _, _ = _conv2d_arguments(x, w, None, stride, padding)
    dy = checks.real("dy", dy, w.dtype)
    dw, db = conv2d_weight_gradient(dy, x, w.shape, stride, padding)
    return conv2d_input_gradient(dy, w, x.shape, stride, padding), dw, db


def conv2d_input_gradient(dy, w, input_shape, stride=1, padding="valid"):
    """The `dx` of `conv2d_backward`, (n, h, w, c_in); `input_shape` is that of x."""
    w = checks.real("w", w)
    dy = checks.real("dy", dy, w.dtype)
    g = geometry.conv2d_batch(input_shape, w.shape, stride, padding)
    checks.shape("dy", dy, (input_shape[0], *g.output_shape), "the output's (n, oh, ow, c_out)")
    return compiled.conv2d_input_gradient(dy, w, g)


def conv2d_weight_gradient(dy, x, kernel_shape, stride=1, padding="valid"):
    """The `dw` and `db` of `conv2d_backward`, of the dtype of `dy`; `kernel_shape` is (kh, kw, c_in, c_out)."""
    dy = checks.real("dy", dy)
    x = checks.real("x", x, dy.dtype)
    g = geometry.conv2d_batch(x.shape, kernel_shape, stride, padding)
    checks.shape("dy", dy, (len(x), *g.output_shape), "the output's (n, oh, ow, c_out)")
    return compiled.conv2d_weight_gradient(dy, x, g)


def maxpool2d_forward(x, pool_size, stride=None, padding=0):
    """Maximum of every window. NaN in a window gives NaN; padding never wins.

    Parameters
    ----------
    x : array (n, h, w, c)
    pool_size : int or (int, int)
    stride : int, (int, int) or None
        None stands for `pool_size`.
    padding : int or (int, int)
        At most half of `pool_size`.

    Returns
    -------
    y : array (n, oh, ow, c)
    switches : int32 array (n, oh, ow, c)
        Where in its window the first maximum is: row * window width + column.
    """
    x = checks.real("x", x)
    return compiled.maxpool2d_forward(x, geometry.pool2d_batch(x.shape, pool_size, stride, padding))


def maxpool2d_backward(dy, switches, input_shape, pool_size, stride=None, padding=0):
    """Gradient of `maxpool2d_forward`: the first maximum of a window takes all of its gradient (PyTorch's rule).

    Parameters
    ----------
    dy : array (n, oh, ow, c)
    switches : int32 array (n, oh, ow, c)
        As `maxpool2d_forward` gave them.
    input_shape : (n, h, w, c)
    pool_size, stride, padding
        As in `maxpool2d_forward`.

    Returns
    -------
    dx : array of shape `input_shape`
    """
    dy = checks.real("dy", dy)
    input_shape = tuple(input_shape)
    g = geometry.pool2d_batch(input_shape, pool_size, stride, padding)
    switches = checks.switches("switches", switches, g.kh * g.kw)
    for name, value in (("dy", dy), ("switches", switches)):
        checks.shape(name, value, (input_shape[0], *g.output_shape), "the output's (n, oh, ow, c)")
    return compiled.maxpool2d_backward(dy, switches, g)


def maxpool2d_backward_ties(dy, x, y, pool_size, stride=None, padding=0):
    """Gradient of `maxpool2d_forward` by the tutorial's rule: every element equal to its window's maximum takes it.

    Parameters
    ----------
    dy, y : array (n, oh, ow, c)
        The output's gradient, and the output.
    x : array (n, h, w, c)
    pool_size, stride, padding
        As in `maxpool2d_forward`.

    Returns
    -------
    dx : array (n, h, w, c)
    """
    x = checks.real("x", x)
    g = geometry.pool2d_batch(x.shape, pool_size, stride, padding)
    dy, y = checks.real("dy", dy, x.dtype), checks.real("y", y, x.dtype)
    for name, value in (("dy", dy), ("y", y)):
        checks.shape(name, value, (len(x), *g.output_shape), "the output's (n, oh, ow, c)")
    return compiled.maxpool2d_backward_ties(dy, x, y, g)


def avgpool2d_forward(x, pool_size, stride=None, padding=0):
    """Mean of every window, of its elements on the image: padding does not count (ONNX's default).

    Parameters
    ----------
    x : array (n, h, w, c)
    pool_size, stride, padding
        As in `maxpool2d_forward`.

    Returns
    -------
    y : array (n, oh, ow, c)
    """
    x = checks.real("x", x)
    return compiled.avgpool2d_forward(x, geometry.pool2d_batch(x.shape, pool_size, stride, padding))


def avgpool2d_backward(dy, input_shape, pool_size, stride=None, padding=0):
    """Gradient of `avgpool2d_forward`: each window shares it out among its elements.

    Parameters
    ----------
    dy : array (n, oh, ow, c)
    input_shape : (n, h, w, c)
    pool_size, stride, padding
        As in `avgpool2d_forward`.

    Returns
    -------
    dx : array of shape `input_shape`
    """
    dy = checks.real("dy", dy)
    input_shape = tuple(input_shape)
    g = geometry.pool2d_batch(input_shape, pool_size, stride, padding)
    checks.shape("dy", dy, (input_shape[0], *g.output_shape), "the output's (n, oh, ow, c)")
    return compiled.avgpool2d_backward(dy, g)


def dense_forward(x, w, b):
    """Affine map of every row, x @ w + b.

    Parameters
    ----------
    x : array (n, inputs)
    w : array (inputs, units)
    b : array (units,) or None

    Returns
    -------
    y : array (n, units), of the dtype of `w`
    """
    x, w, b = _dense_arguments(x, w, b)
    return compiled.dense_forward(x, w, b)


def dense_backward(dy, x, w):
    """Gradients of `dense_forward`.

    Parameters
    ----------
    dy : array (n, units)
    x : array (n, inputs)
    w : array (inputs, units)

    Returns
    -------
    dx : array (n, inputs)
    dw : array (inputs, units)
    db : array (units,)
    """
    x, w, _ = _dense_arguments(x, w, None)
    dy = checks.real("dy", dy, w.dtype)
    dw, db = dense_weight_gradient(dy, x)
    return dense_input_gradient(dy, w), dw, db


def dense_input_gradient(dy, w):
    """The `dx` of `dense_backward`, (n, inputs)."""
    w = _dense_weights(w)
    dy = checks.real("dy", dy, w.dtype)
    checks.shape("dy", dy, (None, w.shape[1]), "the output's (n, units)")
    return compiled.dense_input_gradient(dy, w)


def dense_weight_gradient(dy, x):
    """The `dw` (inputs, units) and `db` (units,) of `dense_backward`, of the dtype of `dy`."""
    dy = checks.real("dy", dy)
    x = checks.real("x", x, dy.dtype)
    checks.shape("x", x, (None, None), "(n, inputs)")
    checks.shape("dy", dy, (len(x), None), "the output's (n, units)")
    if x.shape[1] == 0 or dy.shape[1] == 0:
        raise ValueError(f"x and dy must have at least one column, got shapes {x.shape} and {dy.shape}")
    return compiled.dense_weight_gradient(dy, x)


def relu_forward(x):
    """max(x, 0), elementwise, for an array of any shape; NaN stays NaN."""
    return compiled.relu_forward(checks.real("x", x))


def relu_backward(dy, y):
    """`dy` where the output `y` of `relu_forward` is positive, else 0."""
    y = checks.real("y", y)
    dy = checks.real("dy", dy, y.dtype)
    checks.shape("dy", dy, y.shape, "the shape of y")
    return compiled.relu_backward(dy, y)


def softmax(logits):
    """Probabilities (n, classes) from logits (n, classes); stable for finite logits of any size, NaN for inf."""
    return compiled.softmax(_logits(logits))


def softmax_cross_entropy(logits, labels):
    """Softmax, mean cross-entropy and its gradient.

    Parameters
    ----------
    logits : array (n, classes)
    labels : integers (n,) from 0 to classes - 1, or one-hot rows (n, classes)

    Returns
    -------
    loss : float
        Mean over the batch, in nats. NaN where a logit is NaN or +inf.
    probabilities : array (n, classes)
    dlogits : array (n, classes)
        Gradient of the mean loss.

    Raises
    ------
    ValueError
        An empty batch, or a bad label; its index is named.
    """
    logits = _logits(logits)
    n, classes = logits.shape
    if n == 0:
        raise ValueError("logits must hold at least one row; a mean over none is undefined")
    labels = checks.labels("labels", labels, n, classes)
    return compiled.softmax_cross_entropy(logits, labels)


def _conv2d_arguments(x, w, b, stride, padding):
    w = checks.real("w", w)
    x = checks.real("x", x, w.dtype)
    return x, w, _bias(b, w), geometry.conv2d_batch(x.shape, w.shape, stride, padding)


def _logits(logits):
    logits = checks.real("logits", logits)
    checks.shape("logits", logits, (None, None), "(n, classes)")
    if logits.shape[1] == 0:
        raise ValueError(f"logits must have at least one class, got shape {logits.shape}")
    return logits


def _dense_weights(w):
    w = checks.real("w", w)
    checks.shape("w", w, (None, None), "(inputs, units)")
    if w.size == 0:
        raise ValueError(f"w must have at least one input and one unit, got shape {w.shape}")
    return w


def _dense_arguments(x, w, b):
    w = _dense_weights(w)
    x = checks.real("x", x, w.dtype)
    checks.shape("x", x, (None, w.shape[0]), "(n, inputs)")
    return x, w, _bias(b, w)


def _bias(b, w):
    """After the checks of w's shape, or an odd `w` would be blamed on `b`."""
    if b is None:
        return None
    b = checks.real("b", b, w.dtype)
    checks.shape("b", b, w.shape[-1:], "(outputs of w,)")
    return b
