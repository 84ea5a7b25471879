"""A plan run by NumPy: the specification of the compiled `Runner`, operation by operation over a whole batch.

Memory layouts, blocks, chunks and threads are the compiled runner's affair; an operation means the same here.
"""

from __future__ import annotations

import numpy as np

from ..geometry import ConvGeometry, PoolGeometry
from ..plan import Operation, Plan
from . import operations as ops
from .optimizers import update


class Runner:
    """See `cnn_c`'s kernels.pyi: same methods, same results."""

    def __init__(self, plan: Plan, threads: int, training: bool) -> None:
        self.plan, self.threads = plan, threads

    def train(self, parameters, first, second, rule, rates, unbiases, x, labels, order, losses, right, threads) -> int:
        gradients = np.zeros_like(parameters)
        for step, (rate, unbias) in enumerate(zip(rates, unbiases, strict=True)):
            part = slice(step * self.plan.batch_size, (step + 1) * self.plan.batch_size)
            batch = order[part]
            kept = []
            values = x[batch]
            for o in self.plan.operations:
                values, keep = _forward(o, values, parameters)
                kept.append(keep)
            _, _, d = ops.softmax_cross_entropy(values, labels[batch])
            losses[part] = ops.cross_entropies(values, labels[batch])
            right[part] = values.argmax(axis=1) == labels[batch]
            if not np.isfinite(losses[part]).all():
                return step
            for k in range(len(kept) - 1, self.plan.lowest - 1, -1):  # below, nobody needs a gradient
                d = _backward(self.plan.operations[k], d, kept[k], parameters, gradients)
            update(parameters, gradients, first, second, rule, rate, unbias)
        return len(rates)

    def predict(self, parameters, x, out, probabilities, threads) -> None:
        values = x
        for o in self.plan.operations:
            values, _ = _forward(o, values, parameters)
        out[...] = ops.softmax(values) if probabilities else values


def _weights(o: Operation, flat: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """An operation's weights and bias, or their gradients, in a flat array of all: views."""
    w = flat[o.w : o.w + o.w_size]
    b = flat[o.b : o.b + o.channels] if o.b >= 0 else None
    if o.kind == "dense":
        return w.reshape(o.geometry.units, o.geometry.inputs).T, b
    g = o.geometry if o.kind == "conv" else o.geometry.conv
    return w.reshape(g.kernel_shape), b


def _forward(o: Operation, x: np.ndarray, parameters: np.ndarray) -> tuple[np.ndarray, tuple]:
    """What the operation gives, and what its gradients will need."""
    g = o.geometry
    if o.kind in ("load", "rescale"):
        dtype = parameters.dtype.type
        return x.astype(parameters.dtype) * dtype(o.scale) + dtype(o.offset), ()
    if o.kind == "copy":
        return x, ()
    if o.kind == "relu":
        y = ops.relu_forward(x)
        return y, (y,)
    if o.kind in ("maxpool", "maxpool, ties"):
        y, switches = ops.maxpool2d_forward(x, g)
        return y, (x, y, switches)
    w, b = _weights(o, parameters)
    if o.kind == "conv":
        return ops.conv2d_forward(x, w, b, g), (x,)
    if o.kind == "dense":
        x = x.reshape(len(x), g.inputs)
        y = ops.dense_forward(x, w, b)
        y = ops.relu_forward(y) if g.relu else y
        return y, (x, y)
    y = ops.conv2d_forward(x, w, b, g.conv)
    y = ops.relu_forward(y) if g.relu else y
    pooled, switches = ops.maxpool2d_forward(y, g.pool)
    return pooled, (x, y, switches)


def _backward(o: Operation, dy: np.ndarray, kept: tuple, parameters: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Gradient for the operation's input; fills its part of the gradients."""
    g = o.geometry
    if o.kind == "copy":
        return dy
    if o.kind == "rescale":
        return dy * dy.dtype.type(o.scale)
    if o.kind == "relu":
        return ops.relu_backward(dy.reshape(kept[0].shape), kept[0])
    dy = dy.reshape(len(dy), *_output_shape(o))
    if o.kind == "maxpool":
        return ops.maxpool2d_backward(dy, kept[2], g)
    if o.kind == "maxpool, ties":
        return ops.maxpool2d_backward_ties(dy, kept[0], kept[1], g)
    (w, _), out = _weights(o, parameters), _weights(o, gradients)
    if o.kind == "dense":
        x, y = kept
        dy = ops.relu_backward(dy, y) if g.relu else dy
        ops.dense_weight_gradient(dy, x, out)
        return ops.dense_input_gradient(dy, w)
    if o.kind != "conv":
        dy = ops.maxpool2d_backward(dy, kept[2], g.pool)
        dy = ops.relu_backward(dy, kept[1]) if g.relu else dy
        g = g.conv
    ops.conv2d_weight_gradient(dy, kept[0], g, out)
    return ops.conv2d_input_gradient(dy, w, g) if o.with_dx else dy


def _output_shape(o: Operation) -> tuple[int, ...]:
    g = o.geometry
    if o.kind == "dense":
        return (g.units,)
    shape: tuple[int, ...] = g.output_shape if isinstance(g, ConvGeometry | PoolGeometry) else g.pool.output_shape
    return shape
