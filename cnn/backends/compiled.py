"""The operations on arrays that are right already: results allocated, kernels called.

`cnn.functional` has the same functions with their arguments checked, and says what they do; a geometry `g` stands for
stride and padding here. Layers call these, and have weight gradients written to `out`, their own (dw, db).
In NumPy each stands in the file of its layer, in `cnn/layers`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cnn_c import KERNELS, empty

from .calls import Elementwise, Warp
from .geometry import ConvGeometry, PoolGeometry
from .threads import threads_for

Out = tuple[np.ndarray, np.ndarray | None]
Gradients = tuple[np.ndarray, Any]  # dw and db: arrays, but for the db of an `out` that has none

_INT32 = np.dtype(np.int32)


def conv2d_forward(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, g: ConvGeometry) -> np.ndarray:
    y = empty((len(x), *g.output_shape), w.dtype)
    KERNELS[w.dtype.char].conv2d_forward(x, w, b, y, g, threads_for(len(x)))
    return y


def conv2d_input_gradient(dy: np.ndarray, w: np.ndarray, g: ConvGeometry) -> np.ndarray:
    dx = empty((len(dy), *g.input_shape), w.dtype)
    KERNELS[w.dtype.char].conv2d_input_gradient(dy, w, dx, g, threads_for(len(dy)))
    return dx


def conv2d_weight_gradient(dy: np.ndarray, x: np.ndarray, g: ConvGeometry, out: Out | None = None) -> Gradients:
    dw, db = out or (empty(g.kernel_shape, dy.dtype), empty((g.c_out,), dy.dtype))
    KERNELS[dy.dtype.char].conv2d_weight_gradient(dy, x, dw, db, g, threads_for(len(x)))
    return dw, db


def maxpool2d_forward(x: np.ndarray, g: PoolGeometry) -> tuple[np.ndarray, np.ndarray]:
    y = empty((len(x), *g.output_shape), x.dtype)
    argmax = empty(y.shape, _INT32)
    KERNELS[x.dtype.char].maxpool2d_forward(x, y, argmax, g, threads_for(len(x)))
    return y, argmax


def maxpool2d_backward(dy: np.ndarray, argmax: np.ndarray, g: PoolGeometry) -> np.ndarray:
    dx = empty((len(dy), *g.input_shape), dy.dtype)
    KERNELS[dy.dtype.char].maxpool2d_backward(dy, argmax, dx, g, threads_for(len(dy)))
    return dx


def maxpool2d_backward_ties(dy: np.ndarray, x: np.ndarray, y: np.ndarray, g: PoolGeometry) -> np.ndarray:
    dx = empty(x.shape, x.dtype)
    KERNELS[x.dtype.char].maxpool2d_backward_ties(dy, x, y, dx, g, threads_for(len(x)))
    return dx


def avgpool2d_forward(x: np.ndarray, g: PoolGeometry) -> np.ndarray:
    y = empty((len(x), *g.output_shape), x.dtype)
    KERNELS[x.dtype.char].avgpool2d_forward(x, y, g, threads_for(len(x)))
    return y


def avgpool2d_backward(dy: np.ndarray, g: PoolGeometry) -> np.ndarray:
    dx = empty((len(dy), *g.input_shape), dy.dtype)
    KERNELS[dy.dtype.char].avgpool2d_backward(dy, dx, g, threads_for(len(dy)))
    return dx


def augment(x: np.ndarray, warp: Warp, seed: int) -> np.ndarray:
    y = empty(x.shape, warp.rows.dtype)
    KERNELS[y.dtype.char].augment(x, y, warp, seed, threads_for(len(x)))
    return y


# Dense kernels take weights unit by unit: those of a layer lie so, and their transpose is no copy.


def dense_forward(x: np.ndarray, w: np.ndarray, b: np.ndarray | None) -> np.ndarray:
    y = empty((len(x), w.shape[1]), w.dtype)
    KERNELS[w.dtype.char].dense_forward(x, np.ascontiguousarray(w.T), b, y, threads_for(len(x)))
    return y


def dense_input_gradient(dy: np.ndarray, w: np.ndarray) -> np.ndarray:
    dx = empty((len(dy), w.shape[0]), w.dtype)
    KERNELS[w.dtype.char].dense_input_gradient(dy, np.ascontiguousarray(w.T), dx, threads_for(len(dy)))
    return dx


def dense_weight_gradient(dy: np.ndarray, x: np.ndarray, out: Out | None = None) -> Gradients:
    dw, db = out or (empty((dy.shape[1], x.shape[1]), dy.dtype).T, empty(dy.shape[1:], dy.dtype))
    KERNELS[dy.dtype.char].dense_weight_gradient(dy, x, dw.T, db, threads_for(len(x)))
    return dw, db


def elementwise_forward(f: Elementwise, x: np.ndarray) -> np.ndarray:
    y = empty(x.shape, x.dtype)
    KERNELS[x.dtype.char].elementwise_forward(x, y, f, _threads_for_array(x))
    return y


def elementwise_backward(f: Elementwise, dy: np.ndarray, kept: np.ndarray) -> np.ndarray:
    dx = empty(dy.shape, dy.dtype)
    KERNELS[dy.dtype.char].elementwise_backward(dy, kept, dx, f, _threads_for_array(dy))
    return dx


def softmax(logits: np.ndarray) -> np.ndarray:
    probabilities = empty(logits.shape, logits.dtype)
    KERNELS[logits.dtype.char].softmax(logits, probabilities)
    return probabilities


def softmax_cross_entropy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    probabilities, dlogits = empty(logits.shape, logits.dtype), empty(logits.shape, logits.dtype)
    loss = KERNELS[logits.dtype.char].softmax_cross_entropy(logits, labels, probabilities, dlogits)
    return loss, probabilities, dlogits


def _threads_for_array(a: np.ndarray) -> int:
    return threads_for(len(a)) if a.ndim else 1
