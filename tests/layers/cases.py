"""Layers of every kind and how to make them, for the tests of this folder."""

from __future__ import annotations

import numpy as np
import pytest

import cnn

from ..derivatives import numerical_gradient

# What to make from a namespace, and the shape of one input. Sizes are small, odd, and differ from each other.
LAYERS = {
    "convolution": (lambda ns: ns.Conv2D(3, 3), (6, 7, 2)),
    "convolution without a bias": (lambda ns: ns.Conv2D(17, (2, 3), bias=False), (5, 6, 3)),
    "same padding": (lambda ns: ns.Conv2D(4, 3, padding="same"), (5, 6, 3)),
    "same padding and a stride": (lambda ns: ns.Conv2D(5, (2, 4), stride=(2, 3), padding="same"), (7, 8, 2)),
    "padding": (lambda ns: ns.Conv2D(2, 3, stride=2, padding=(2, 1)), (6, 5, 3)),
    "convolution with a dilation": (lambda ns: ns.Conv2D(4, (3, 2), padding="same", dilation=(2, 3)), (6, 7, 2)),
    "convolution with groups": (lambda ns: ns.Conv2D(6, 3, stride=(1, 2), padding=1, groups=2), (5, 6, 4)),
    "depthwise convolution": (lambda ns: ns.DepthwiseConv2D(3, padding="same"), (5, 6, 3)),
    "depthwise convolution with a multiplier": (
        lambda ns: ns.DepthwiseConv2D((3, 2), multiplier=2, stride=(2, 1), padding=1, dilation=(1, 2), bias=False),
        (6, 5, 3),
    ),
    "pooling": (lambda ns: ns.MaxPool2D(), (5, 6, 3)),
    "pooling with every tie": (lambda ns: ns.MaxPool2D(2, ties="all"), (5, 6, 3)),
    "windows that overlap": (lambda ns: ns.MaxPool2D(3, stride=(2, 1), padding=1), (6, 5, 2)),
    "windows that overlap, every tie": (
        lambda ns: ns.MaxPool2D((3, 2), stride=1, padding=(1, 0), ties="all"),
        (4, 5, 2),
    ),
    "mean pooling": (lambda ns: ns.AvgPool2D(), (5, 6, 3)),
    "means of windows that overlap": (lambda ns: ns.AvgPool2D((3, 2), stride=(2, 1), padding=1), (6, 5, 2)),
    "mean of a map": (lambda ns: ns.GlobalAvgPool2D(), (5, 6, 3)),
    "maximum of a map": (lambda ns: ns.GlobalMaxPool2D(), (5, 6, 3)),
    "dense": (lambda ns: ns.Dense(7), (13,)),
    "dense without a bias": (lambda ns: ns.Dense(5, bias=False), (9,)),
    "relu": (lambda ns: ns.ReLU(), (4, 3, 2)),
    "leaky relu": (lambda ns: ns.LeakyReLU(0.2), (4, 3, 2)),
    "sigmoid": (lambda ns: ns.Sigmoid(), (4, 3, 2)),
    "tanh": (lambda ns: ns.Tanh(), (4, 3, 2)),
    "gelu": (lambda ns: ns.GELU(), (4, 3, 2)),
    "silu": (lambda ns: ns.SiLU(), (4, 3, 2)),
    "softplus": (lambda ns: ns.Softplus(), (4, 3, 2)),
    "dropout": (lambda ns: ns.Dropout(0.4), (4, 3, 2)),
    "normalisation": (lambda ns: ns.BatchNorm(), (4, 3, 2)),
    "normalisation of rows": (lambda ns: ns.BatchNorm(epsilon=0.1), (5,)),
    "layer norm": (lambda ns: ns.LayerNorm(), (4, 3, 5)),
    "layer norm of rows": (lambda ns: ns.LayerNorm(0.1), (17,)),
    "flatten": (lambda ns: ns.Flatten(), (4, 3, 2)),
    "residual block": (lambda ns: ns.Residual([ns.Conv2D(2, 3, padding="same")]), (4, 3, 2)),
    "residual block with a shortcut": (
        lambda ns: ns.Residual([ns.Conv2D(5, 3), ns.Residual([ns.Conv2D(5, 1)])], ns.Conv2D(5, 3, bias=False)),
        (6, 5, 2),
    ),
    "rescaling": (lambda ns: ns.Rescaling(1 / 3, -0.5), (4, 3, 2)),
}
WEIGHTED = [name for name in LAYERS if any(word in name for word in ("convolution", "same", "dense", "padding"))]
LAYER_NORMS = [name for name in LAYERS if "layer norm" in name]
CURVED = ["sigmoid", "tanh", "gelu", "silu", "softplus", *LAYER_NORMS]
NORMALISING = [name for name in LAYERS if "normalisation" in name]
OUTPUT_SHAPES = {
    "convolution": (4, 5, 3),
    "convolution without a bias": (4, 4, 17),
    "same padding": (5, 6, 4),
    "same padding and a stride": (4, 3, 5),
    "padding": (4, 3, 2),
    "convolution with a dilation": (6, 7, 4),
    "convolution with groups": (5, 3, 6),
    "depthwise convolution": (5, 6, 3),
    "depthwise convolution with a multiplier": (3, 5, 6),
    "pooling": (2, 3, 3),
    "pooling with every tie": (2, 3, 3),
    "windows that overlap": (3, 5, 2),
    "windows that overlap, every tie": (4, 4, 2),
    "mean pooling": (2, 3, 3),
    "means of windows that overlap": (3, 6, 2),
    "mean of a map": (3,),
    "maximum of a map": (3,),
    "dense": (7,),
    "dense without a bias": (5,),
    "relu": (4, 3, 2),
    "leaky relu": (4, 3, 2),
    "sigmoid": (4, 3, 2),
    "tanh": (4, 3, 2),
    "gelu": (4, 3, 2),
    "silu": (4, 3, 2),
    "softplus": (4, 3, 2),
    "dropout": (4, 3, 2),
    "normalisation": (4, 3, 2),
    "normalisation of rows": (5,),
    "layer norm": (4, 3, 5),
    "layer norm of rows": (17,),
    "flatten": (24,),
    "residual block": (4, 3, 2),
    "residual block with a shortcut": (4, 3, 5),
    "rescaling": (4, 3, 2),
}
EVERY_LAYER = pytest.mark.parametrize("name", LAYERS)
EVERY_LINEAR_LAYER = pytest.mark.parametrize("name", [name for name in LAYERS if name not in NORMALISING + CURVED])
EVERY_WEIGHTED_LAYER = pytest.mark.parametrize("name", WEIGHTED)
EVERY_NORMALISATION = pytest.mark.parametrize("name", NORMALISING)


def made(ns, name: str, dtype="float64", seed=0):
    make, input_shape = LAYERS[name]
    return make(ns).build(input_shape, dtype=dtype, seed=seed)


def forward_as_before(layer, x):
    """`forward`; of a dropout with its first mask, for it draws another one every time."""
    if isinstance(layer, cnn.Dropout):
        layer.build(layer.input_shape, dtype=layer.dtype, seed=0)
    return layer.forward(x)


def normal(seed: int, shape, dtype="float64") -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def far_from_kinks(seed: int, shape) -> np.ndarray:
    """Values of both signs, at least 1/8 apart from each other and 1/16 from 0: no maximum is nearly another."""
    size = int(np.prod(shape))
    values = (np.arange(size) - size // 2 + 0.5) / 8
    return np.random.default_rng(seed).permutation(values).reshape(shape)


def central_differences(layer, dy, variable, x, h: float) -> np.ndarray:
    """Of the sum of `dy` times the layer's output of x, for every element of `variable`."""
    return numerical_gradient(lambda: np.vdot(dy, forward_as_before(layer, x)), variable, h)


def assert_gradients_are_differences(layer, most: float) -> None:
    """Of a normalisation: those for x, gamma and beta, with a bound on the error that is below `most`."""
    x, dy = far_from_kinks(1, (4, *layer.input_shape)), normal(3, (4, *layer.output_shape))
    layer.gamma[...], layer.beta[...] = normal(4, layer.gamma.shape), normal(5, layer.beta.shape)
    layer.forward(x)
    derivatives = {"x": layer.backward(dy), **{k: v.copy() for k, v in layer.gradients.items()}}
    # A central difference is off by c * h**2 and less: what doubling the step changes is three times that. Beside it
    # stands the rounding of the two sums, of numbers that ten rounding steps have made.
    h = 2**-10
    rounding = 10 * x.size * np.finfo(float).eps * np.abs(dy).max() * np.abs(layer.forward(x)).max() / h
    for key, variable in {"x": x, **layer.parameters}.items():
        numeric, coarser = (central_differences(layer, dy, variable, x, step) for step in (h, 2 * h))
        bound = np.abs(coarser - numeric) + rounding
        assert bound.max() < most
        assert (np.abs(derivatives[key] - numeric) <= bound).all(), key
