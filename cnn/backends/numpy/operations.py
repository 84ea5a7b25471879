"""The arithmetic in pure NumPy, on arrays that are right already: the specification of the compiled kernels.

Convolution and pooling loop over the few positions of the kernel, never over the many of the image: seen from
one kernel position, a whole batch is a strided view of the padded input. Names and arguments are those of
`cnn.backends.compiled`; `cnn.functional` says what each function does.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..geometry import ConvGeometry, PoolGeometry

Gradients = tuple[np.ndarray, np.ndarray]
Out = tuple[np.ndarray, np.ndarray | None]


def conv2d_forward(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, g: ConvGeometry) -> np.ndarray:
    y = np.zeros((len(x), *g.output_shape), w.dtype)
    if b is not None:
        y += b
    for u, v, view in _views(_pad(x, g, 0), g):
        y += np.tensordot(view, w[u, v], axes=1)
    return y


def conv2d_input_gradient(dy: np.ndarray, w: np.ndarray, g: ConvGeometry) -> np.ndarray:
    d_padded = np.zeros(_padded_shape(len(dy), g.c_in, g), dy.dtype)
    for u, v, d_view in _views(d_padded, g):
        d_view += np.tensordot(dy, w[u, v].T, axes=1)
    return _inside(d_padded, g).copy()


def conv2d_weight_gradient(dy: np.ndarray, x: np.ndarray, g: ConvGeometry, out: Out | None = None) -> Gradients:
    dw = np.empty(g.kernel_shape, dy.dtype)
    for u, v, view in _views(_pad(x, g, 0), g):
        dw[u, v] = np.tensordot(view, dy, axes=((0, 1, 2), (0, 1, 2)))
    return _written(dw, dy.sum(axis=(0, 1, 2)), out)


def maxpool2d_forward(x: np.ndarray, g: PoolGeometry) -> tuple[np.ndarray, np.ndarray]:
    y = np.full((len(x), *g.output_shape), -np.inf, x.dtype)
    switches = np.full(y.shape, -1, np.int32)
    padded = _pad(x, g, -np.inf)
    in_image = _pad(np.ones((1, g.h, g.w, 1), bool), g, False)
    for (u, v, view), (_, _, candidates) in zip(_views(padded, g), _views(in_image, g), strict=True):
        larger = (view > y) | (np.isnan(view) & ~np.isnan(y))
        wins = candidates & (larger | (switches < 0))
        np.copyto(y, view, where=wins)
        switches[wins] = u * g.kw + v
    return y, switches


def maxpool2d_backward(dy: np.ndarray, switches: np.ndarray, g: PoolGeometry) -> np.ndarray:
    d_padded = np.zeros(_padded_shape(len(dy), g.c, g), dy.dtype)
    for u, v, d_view in _views(d_padded, g):
        d_view += np.where(switches == u * g.kw + v, dy, 0)
    return _inside(d_padded, g).copy()


def maxpool2d_backward_ties(dy: np.ndarray, x: np.ndarray, y: np.ndarray, g: PoolGeometry) -> np.ndarray:
    padded = _pad(x, g, -np.inf)
    d_padded = np.zeros_like(padded)
    for (_, _, view), (_, _, d_view) in zip(_views(padded, g), _views(d_padded, g), strict=True):
        d_view += np.where(view == y, dy, 0)
    return _inside(d_padded, g).copy()


def avgpool2d_forward(x: np.ndarray, g: PoolGeometry) -> np.ndarray:
    total = np.zeros((len(x), *g.output_shape), x.dtype)
    for _, _, view in _views(_pad(x, g, 0), g):
        total += view
    return total * _shares(g, x.dtype)


def avgpool2d_backward(dy: np.ndarray, g: PoolGeometry) -> np.ndarray:
    d_padded = np.zeros(_padded_shape(len(dy), g.c, g), dy.dtype)
    shares = dy * _shares(g, dy.dtype)
    for _, _, d_view in _views(d_padded, g):
        d_view += shares
    return _inside(d_padded, g).copy()


def _shares(g: PoolGeometry, dtype: np.dtype) -> np.ndarray:
    """One over the number of the image's pixels in each window, (1, oh, ow, 1)."""
    inside = _pad(np.ones((1, g.h, g.w, 1), dtype), g, 0)
    counts = np.zeros((1, g.oh, g.ow, 1), dtype)
    for _, _, view in _views(inside, g):
        counts += view
    return 1 / counts


def batchnorm_forward(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The output, and mean and variance of every channel over the batch."""
    mean, variance = _moments(x)
    y = batchnorm_inference(x, gamma, beta, mean, variance, epsilon)
    return y, mean, variance


def batchnorm_inference(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, mean: np.ndarray, variance: np.ndarray, epsilon: float
) -> np.ndarray:
    return ((x - mean) / np.sqrt(variance + epsilon) * gamma + beta).astype(x.dtype)


def batchnorm_backward(
    dy: np.ndarray, x: np.ndarray, gamma: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(dx, dgamma, dbeta), mean and variance being those of x."""
    mean, variance = _moments(x)
    inverse = 1 / np.sqrt(variance + epsilon)
    xhat = (x - mean) * inverse
    dgamma, dbeta = _channel_sums(dy * xhat), _channel_sums(dy)
    dx = gamma * inverse * (dy - dbeta / _count(x) - xhat * dgamma / _count(x))
    return dx.astype(x.dtype), dgamma.astype(x.dtype), dbeta.astype(x.dtype)


def follow(running: Gradients, mean: np.ndarray, variance: np.ndarray, count: int, keep: float) -> None:
    """Let running mean and variance follow those of a batch with `count` values a channel, in place.

    It is the unbiased variance that they follow; a batch without values teaches nothing.
    """
    if count:
        for statistic, value in zip(running, (mean, variance * count / max(count - 1, 1)), strict=True):
            statistic[...] = keep * statistic + (1 - keep) * value


def _moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of every channel, float64; zeros for an empty batch."""
    mean = _channel_sums(x) / _count(x)
    return mean, _channel_sums((x - mean) ** 2) / _count(x)


def _channel_sums(x: np.ndarray) -> np.ndarray:
    total: np.ndarray = x.sum(axis=tuple(range(x.ndim - 1)), dtype=np.float64)
    return total


def _count(x: np.ndarray) -> int:
    """Values of a channel; 1 for an empty batch, whose sums may so be divided."""
    return max(x.size // x.shape[-1], 1)


def dropout(x: np.ndarray, kept: np.ndarray, rate: float) -> np.ndarray:
    """x over 1 - rate where it is kept, else 0, even of NaN; of a gradient likewise."""
    return np.where(kept, x * x.dtype.type(1 / (1 - rate)), x.dtype.type(0))


def dense_forward(x: np.ndarray, w: np.ndarray, b: np.ndarray | None) -> np.ndarray:
    y: np.ndarray = x @ w
    if b is not None:
        y += b
    return y


def dense_input_gradient(dy: np.ndarray, w: np.ndarray) -> np.ndarray:
    dx: np.ndarray = dy @ w.T
    return dx


def dense_weight_gradient(dy: np.ndarray, x: np.ndarray, out: Out | None = None) -> Gradients:
    return _written(x.T @ dy, dy.sum(axis=0), out)


def relu_forward(x: np.ndarray) -> np.ndarray:
    y: np.ndarray = np.maximum(x, 0)
    return y


def relu_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.where(y > 0, dy, y.dtype.type(0))


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(_shifted(logits))
    probabilities: np.ndarray = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


def softmax_cross_entropy(
    logits: np.ndarray, labels: np.ndarray, smoothing: float = 0.0
) -> tuple[float, np.ndarray, np.ndarray]:
    probabilities = softmax(logits)
    dlogits = probabilities - logits.dtype.type(smoothing / logits.shape[1])
    dlogits[np.arange(len(logits)), labels] -= logits.dtype.type(1 - smoothing)
    dlogits /= len(logits)
    return float(cross_entropies(logits, labels, smoothing).mean(dtype=np.float64)), probabilities, dlogits


def cross_entropies(logits: np.ndarray, labels: np.ndarray, smoothing: float = 0.0) -> np.ndarray:
    """The loss of every row."""
    shifted = _shifted(logits)
    # log(sum) - logit rather than -log(probability): finite even where the probability underflows to 0.
    losses: np.ndarray = np.log(np.exp(shifted).sum(axis=1)) - (1 - smoothing) * shifted[np.arange(len(logits)), labels]
    return losses - smoothing * shifted.mean(axis=1) if smoothing else losses


def _shifted(logits: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # inf - inf: the documented NaN
        shifted: np.ndarray = logits - logits.max(axis=1, keepdims=True)
    return shifted


def _written(dw: np.ndarray, db: np.ndarray, out: Out | None) -> Gradients:
    if out is not None:
        out[0][...] = dw
        if out[1] is not None:
            out[1][...] = db
    return dw, db


# ---- padding and views, for convolution and pooling alike --------------------------------------------------


def _views(padded: np.ndarray, g: ConvGeometry | PoolGeometry) -> Iterator[tuple[int, int, np.ndarray]]:
    """For every kernel position (u, v) in row order: what all windows hold there, a view (n, oh, ow, c)."""
    rows, columns = (g.oh - 1) * g.sh + 1, (g.ow - 1) * g.sw + 1
    for u in range(g.kh):
        for v in range(g.kw):
            yield u, v, padded[:, u : u + rows : g.sh, v : v + columns : g.sw]


def _padded_shape(n: int, c: int, g: ConvGeometry | PoolGeometry) -> tuple[int, int, int, int]:
    """Room for the padded image and for all windows; a stride may leave rows that no window reaches."""
    rows = max(g.ph + g.h, (g.oh - 1) * g.sh + g.kh)
    columns = max(g.pw + g.w, (g.ow - 1) * g.sw + g.kw)
    return n, rows, columns, c


def _pad(x: np.ndarray, g: ConvGeometry | PoolGeometry, value: float) -> np.ndarray:
    padded = np.full(_padded_shape(len(x), x.shape[3], g), value, x.dtype)
    _inside(padded, g)[...] = x
    return padded


def _inside(padded: np.ndarray, g: ConvGeometry | PoolGeometry) -> np.ndarray:
    return padded[:, g.ph : g.ph + g.h, g.pw : g.pw + g.w]
