"""A plan run by NumPy: the specification of the compiled `Runner`, operation by operation over a whole batch.

Memory layouts, blocks, chunks and threads are the compiled runner's affair; an operation means the same here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...plan.make import Operation, Plan
from ..program import Batches, Learned, Update
from . import operations as ops
from . import random
from .augment import augment
from .optimizers import update as apply_update


class Runner:
    """See `cnn_c`'s kernels.pyi: same methods, same results."""

    def __init__(self, plan: Plan, threads: int, training: bool) -> None:
        self.plan, self.threads = plan, threads

    def train(self, learned: Learned, update: Update, batches: Batches, threads: int) -> int:
        parameters, steps = learned.parameters, len(update.step_scalars)
        gradients = np.zeros_like(parameters)
        for step in range(steps):
            part = slice(step * self.plan.batch_size, (step + 1) * self.plan.batch_size)
            batch = batches._replace(order=batches.order[part], position=batches.position + part.start)
            values, labels = batch.x[batch.order], batch.labels[batch.order]
            if batch.warp is not None:
                values = augment(values.reshape(-1, *batch.warp.shape), batch.warp, batch.seed, batch.position)
            kept = []
            for o in self.plan.operations:
                values, keep = _forward(o, values, parameters, batch)
                kept.append(keep)
            values = values.reshape(len(values), self.plan.classes)  # maps of one pixel, where no dense layer is last
            _, _, d = ops.softmax_cross_entropy(values, labels, batch.label_smoothing)
            batches.losses[part] = ops.cross_entropies(values, labels, batch.label_smoothing)
            batches.correct[part] = values.argmax(axis=1) == labels
            if not np.isfinite(batches.losses[part]).all():
                return step
            for k in range(len(kept) - 1, self.plan.lowest - 1, -1):  # below, nobody needs a gradient
                d = _backward(self.plan.operations[k], d, kept[k], parameters, gradients)
            apply_update(parameters, gradients, update.first, update.second, update.rule, update.step_scalars[step])
            for o, keep in zip(self.plan.operations, kept, strict=True):
                if o.kind == "batchnorm":
                    _follow(o, learned.statistics, keep)
        return steps

    def predict(self, learned: Learned, x: np.ndarray, out: np.ndarray, probabilities: bool, threads: int) -> None:
        values = x
        for o in self.plan.operations:
            values, _ = _forward(o, values, learned.parameters, None, learned.statistics)
        values = values.reshape(len(values), self.plan.classes)
        out[...] = ops.softmax(values) if probabilities else values


def _weights(o: Operation, flat: np.ndarray) -> tuple[np.ndarray, Any]:
    """An operation's weights and bias, or their gradients, in a flat array of all: views; None for no bias."""
    w = flat[o.w : o.w + o.w_size]
    b = flat[o.b : o.b + o.channels] if o.b >= 0 else None
    if o.kind == "dense":
        return w.reshape(o.geometry.units, o.geometry.inputs).T, b
    if o.kind == "batchnorm":
        return w, b
    g = o.geometry if o.kind == "conv" else o.geometry.conv
    return w.reshape(g.kernel_shape), b


def _forward(
    o: Operation, x: np.ndarray, parameters: np.ndarray, batch: Batches | None, statistics: np.ndarray | None = None
) -> tuple[np.ndarray, tuple]:
    """What the operation gives, and what its gradients will need; a prediction has statistics, and no batch."""
    g = o.geometry
    if o.kind in ("load", "rescale"):
        dtype = parameters.dtype.type
        return x.astype(parameters.dtype) * dtype(o.scale) + dtype(o.offset), ()
    if o.kind == "copy":
        return x, ()
    if o.kind == "relu":
        y = ops.relu_forward(x)
        return y, (y,)
    if o.kind == "dropout" and batch is not None:
        kept = _kept_by_dropout(o, x, batch)
        return ops.dropout(x, kept, g.rate), (kept,)
    if o.kind in ("maxpool", "maxpool, ties"):
        y, switches = ops.maxpool2d_forward(x, g)
        return y, (x, y, switches)
    if o.kind == "avgpool":
        return ops.avgpool2d_forward(x, g), ()
    if o.kind == "batchnorm":
        return _normalized(o, x.reshape(len(x), *o.out_shape), parameters, statistics)
    w, b = _weights(o, parameters)
    if o.kind == "dense":
        x = x.reshape(len(x), g.inputs)
        y = ops.dense_forward(x, w, b)
        y = ops.relu_forward(y) if g.relu else y
        return y, (x, y)
    y = ops.conv2d_forward(x, w, b, g if o.kind == "conv" else g.conv)
    y = _normalized(o, y, parameters, statistics)[0] if o.gamma >= 0 else y
    if o.kind == "conv":
        return y, (x,)
    y = ops.relu_forward(y) if g.relu else y
    pooled, switches = ops.maxpool2d_forward(y, g.pool)
    return pooled, (x, y, switches)


def _normalized(
    o: Operation, x: np.ndarray, parameters: np.ndarray, statistics: np.ndarray | None
) -> tuple[np.ndarray, tuple]:
    gamma, beta = parameters[o.gamma : o.gamma + 2 * o.channels].reshape(2, -1)
    if statistics is None:
        y, mean, variance = ops.batchnorm_forward(x, gamma, beta, o.epsilon)
    else:
        mean, variance = statistics[o.statistics : o.statistics + 2 * o.channels].reshape(2, -1)
        y = ops.batchnorm_inference(x, gamma, beta, mean, variance, o.epsilon)
    y = ops.relu_forward(y) if o.kind == "batchnorm" and o.geometry.relu else y
    return y, (x, y, mean, variance)


def _follow(o: Operation, statistics: np.ndarray, kept: tuple) -> None:
    """Let the running statistics of a normalisation follow the batch's."""
    x, _, mean, variance = kept
    running = statistics[o.statistics : o.statistics + 2 * o.channels].reshape(2, -1)
    ops.follow((running[0], running[1]), mean, variance, x.size // o.channels, o.geometry.keep)


def _kept_by_dropout(o: Operation, x: np.ndarray, batch: Batches) -> np.ndarray:
    words = random.words(batch.seed, batch.position + np.arange(len(x)), o.geometry.stream, o.out_size)
    return (words >= o.geometry.threshold).reshape(x.shape)


def _backward(o: Operation, dy: np.ndarray, kept: tuple, parameters: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Gradient for the operation's input; fills its part of the gradients."""
    g = o.geometry
    if o.kind == "copy":
        return dy
    if o.kind == "rescale":
        return dy * dy.dtype.type(o.scale)
    if o.kind in ("relu", "dropout"):
        dy = dy.reshape(kept[0].shape)
        return ops.relu_backward(dy, kept[0]) if o.kind == "relu" else ops.dropout(dy, kept[0], g.rate)
    dy = dy.reshape(len(dy), *o.out_shape)
    if o.kind == "maxpool":
        return ops.maxpool2d_backward(dy, kept[2], g)
    if o.kind == "maxpool, ties":
        return ops.maxpool2d_backward_ties(dy, kept[0], kept[1], g)
    if o.kind == "avgpool":
        return ops.avgpool2d_backward(dy, g)
    (w, _), out = _weights(o, parameters), _weights(o, gradients)
    if o.kind == "batchnorm":
        dy = ops.relu_backward(dy, kept[1]) if g.relu else dy
        dx, out[0][...], out[1][...] = ops.batchnorm_backward(dy, kept[0], w, o.epsilon)
        return dx
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
