"""Fits of a few steps by any rule, and bounds on what rounding does to a prediction."""

from __future__ import annotations

import functools
import math

import numpy as np

import cnn
import cnn.training.history
from cnn.backends.parts import leaves

from .nets import counterpart

RULES = {
    "plain": functools.partial(cnn.SGD),
    "weight decay": functools.partial(cnn.SGD, weight_decay=0.5),
    "momentum": functools.partial(cnn.SGD, momentum=0.5),
    "nesterov": functools.partial(cnn.SGD, momentum=0.5, nesterov=True, weight_decay=0.25),
    # An epsilon of the size of the gradients: else a step hangs on the sign of gradients that are rounding alone.
    "adam": functools.partial(cnn.Adam, epsilon=1e-3, weight_decay=0.01),
    "adamw": functools.partial(cnn.AdamW, epsilon=1e-3, weight_decay=0.5),
    "rmsprop": functools.partial(cnn.RMSprop, epsilon=1e-2, weight_decay=0.01),
    "rmsprop with momentum": functools.partial(cnn.RMSprop, epsilon=1e-2, momentum=0.5),
    "adadelta": functools.partial(cnn.Adadelta, epsilon=1e-2, weight_decay=0.01),
    "lion": functools.partial(cnn.Lion, beta1=0.5, beta2=0.5, weight_decay=0.25),  # hangs on signs: for exact sums only
}
CURVED = (cnn.GELU, cnn.SiLU, cnn.Sigmoid, cnn.Softplus, cnn.Tanh)
KINDS = ["uint8", "float32", "float64"]
STEPS = 20


def fitted(net, x, y, batch_size, rule, rate=0.01, steps=STEPS, **options) -> cnn.training.history.History:
    """At least so many steps."""
    epochs = -(-steps // -(-len(x) // batch_size))
    options = {"optimizer": RULES[rule](rate), "epochs": epochs, "seed": 5, "progress": False} | options
    return net.fit(x, y, batch_size=batch_size, **options)


def rounded(net, x) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the net in float64, layer by layer as in a prediction, and how far off rounding may leave them.

    The bound goes through the layers beside the values: it is what they make of magnitudes, times the terms of all
    sums so far.
    """
    x = x.astype(np.float64)
    y, size, terms = passed(counterpart(net).layers, x, np.abs(x), 0)
    return y, terms * np.finfo(net.dtype).eps * size


def passed(layers, y: np.ndarray, size: np.ndarray, terms: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Values, magnitudes and the number of terms after these layers, whose parameters become their magnitudes."""
    for layer in layers:
        if isinstance(layer, cnn.Residual):
            branch, shortcut = (passed(each, y, size, terms) for each in (layer.layers, layer.shortcut))
            y, size, terms = branch[0] + shortcut[0], branch[1] + shortcut[1], max(branch[2], shortcut[2]) + 1
            continue
        x, y = y, layer.forward(y, training=False)
        if isinstance(layer, cnn.BatchNorm):
            mean, variance = layer.statistics["mean"], layer.statistics["variance"]
            slope = np.abs(layer.gamma) / np.sqrt(variance + layer.epsilon)
            size = (size + np.abs(mean)) * slope + np.abs(layer.beta)
            terms += 10
            continue
        if isinstance(layer, cnn.LayerNorm):
            size, terms = layer_norm_size(layer, x, size), terms + 10 + layer.input_shape[-1]
            continue
        if isinstance(layer, CURVED):  # no steeper than 1.13, no further from 0 than x and 1, and rounded themselves
            size, terms = 1.13 * size + 1, terms + 10
            continue
        for value in layer.parameters.values():
            np.abs(value, out=value)
        if isinstance(layer, cnn.Rescaling):
            layer = cnn.Rescaling(abs(layer.scale), abs(layer.offset)).build(layer.input_shape, dtype=layer.dtype)
        terms += 3 + (math.prod(layer.parameters["weights"].shape[:-1]) if layer.parameters else 0)
        terms += math.prod(layer.pool_size) if isinstance(layer, cnn.AvgPool2D) else 0
        terms += math.prod(layer.input_shape[:2]) if isinstance(layer, cnn.GlobalAvgPool2D) else 0
        size = layer.forward(size, training=False)
    return y, size, terms


def layer_norm_size(layer: cnn.LayerNorm, x: np.ndarray, size: np.ndarray) -> np.ndarray:
    """What the layer makes of errors of that size in x: its derivative, in magnitudes, times them."""
    inverse = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + layer.epsilon)
    xhat = np.abs(x - x.mean(axis=-1, keepdims=True)) * inverse
    size = size + size.mean(axis=-1, keepdims=True) + xhat * (xhat * size).mean(axis=-1, keepdims=True)
    return size * inverse * np.abs(layer.gamma) + np.abs(layer.beta)


def teach(net, seed=0):
    """Running statistics as after some training."""
    rng = np.random.default_rng(seed)
    for layer in leaves(net.layers):
        if layer.statistics:
            layer.statistics["mean"][...] = rng.standard_normal(layer.gamma.size)
            layer.statistics["variance"][...] = rng.uniform(0.1, 2, layer.gamma.size)
