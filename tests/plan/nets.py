"""Nets for the tests of plans: those of the benchmarks, some whose operations these lack, and counterparts in NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import cnn
import cnn.models

Make = Callable[[], cnn.layers.Layer]


def net_of(layers: list[Make], shape, dtype="float64", seed=0, loss=None):
    """A net with biases that are not zero, and slopes that are not one."""
    net = cnn.Sequential([make() for make in layers], shape, dtype=dtype, seed=seed, loss=loss)
    for name, value in net.parameters().items():
        if not name.endswith("weights"):
            mean = 1 if name.endswith("gamma") else 0
            value[...] = mean + np.random.default_rng(seed).uniform(-0.1, 0.1, value.shape)
    return net


def counterpart(net, dtype="float64"):
    """The same layers with the same parameters and running statistics, run by the reference."""
    layers = [layer.anew() for layer in net.layers]
    made = cnn.Sequential(layers, net.input_shape, dtype, backend="numpy", loss=net.loss)
    for value, given_value in zip(made.state().values(), net.state().values(), strict=True):
        value[...] = given_value
    made.step_seed = net.step_seed  # or other values would be dropped
    return made


def flat(net) -> np.ndarray:
    """A copy of all that the net has learned: its parameters, then its running statistics, as they lie in memory."""
    learned = net.executor.learned
    return np.concatenate([learned.parameters, learned.statistics])


def noise(net, n: int, kind=None, seed=0) -> tuple[np.ndarray, np.ndarray]:
    """Images of `kind` and labels for a net; without a kind, of that which it is made for."""
    rng = np.random.default_rng(seed)
    shape = (n, *net.input_shape)
    kind = kind or ("uint8" if isinstance(net.layers[0], cnn.Rescaling) else "float32")
    x = rng.integers(0, 256, shape, dtype=np.uint8) if kind == "uint8" else rng.standard_normal(shape).astype(kind)
    return x, rng.integers(0, net.output_shape[0], n)


# ---- nets ----------------------------------------------------------------------------------------------------


def general(seed=0, dtype="float32"):
    """A net whose operations are those that the models lack: unfused ones, a rescaling in between, a copy."""
    layers = [
        cnn.Conv2D(5, 3, padding=1), cnn.MaxPool2D(2),
        cnn.Rescaling(0.5, 0.25),
        cnn.Conv2D(9, (2, 3), stride=(1, 2), bias=False), cnn.ReLU(), cnn.MaxPool2D(3, stride=1, padding=1, ties="all"),
        cnn.Conv2D(18, 3, padding=2), cnn.ReLU(), cnn.MaxPool2D(2), cnn.ReLU(),
        cnn.Flatten(), cnn.Rescaling(2.0), cnn.Dense(21, bias=False), cnn.ReLU(), cnn.Dense(6),
    ]  # fmt: skip
    return cnn.Sequential(layers, input_shape=(17, 14, 2), seed=seed, dtype=dtype)


def unpooled(seed=0, dtype="float32"):
    layers = [
        cnn.Rescaling(1 / 64, -2.0), cnn.Conv2D(3, (3, 2), stride=2, padding=(2, 1)), cnn.ReLU(), cnn.Conv2D(17, 2),
        cnn.Flatten(), cnn.Dense(4),
    ]  # fmt: skip
    return cnn.Sequential(layers, input_shape=(8, 9, 1), seed=seed, dtype=dtype)


def dense_alone(seed=0, dtype="float32"):
    layers = [cnn.Rescaling(1 / 64, -2.0), cnn.Flatten(), cnn.Dense(33), cnn.ReLU(), cnn.Dense(9), cnn.Dense(5)]
    return cnn.Sequential(layers, input_shape=(7, 5, 2), seed=seed, dtype=dtype)


def normalised(seed=0, dtype="float32", rate=0.25):
    """A net with a normalisation, and pooling, after every convolution, and dropout."""
    layers = [
        cnn.Rescaling(1 / 64, -2.0),
        cnn.Conv2D(6, 3, padding="same"), cnn.BatchNorm(), cnn.ReLU(), cnn.MaxPool2D(2),
        cnn.Conv2D(9, (3, 2), bias=False), cnn.BatchNorm(momentum=0.5), cnn.MaxPool2D(2),
        cnn.Flatten(), cnn.Dense(21), cnn.BatchNorm(epsilon=0.01), cnn.ReLU(), cnn.Dropout(rate), cnn.Dense(7),
    ]  # fmt: skip
    return cnn.Sequential(layers, input_shape=(12, 13, 1), seed=seed, dtype=dtype)


def averaged(seed=0, dtype="float32"):
    """A net with average pooling, overlapping and not, and dropout of a map."""
    layers = [
        cnn.Conv2D(5, 3, padding=1), cnn.ReLU(), cnn.AvgPool2D(2), cnn.Dropout(0.1),
        cnn.Conv2D(9, 2), cnn.AvgPool2D(3, stride=2, padding=1), cnn.ReLU(), cnn.Flatten(), cnn.Dense(6),
    ]  # fmt: skip
    return cnn.Sequential(layers, input_shape=(11, 12, 2), seed=seed, dtype=dtype)


MODELS = {"A": cnn.models.tutorial, "B": cnn.models.two_conv, "L": cnn.models.lenet5}
NETS = MODELS | {
    "general": general,
    "unpooled": unpooled,
    "dense alone": dense_alone,
    "normalised": normalised,
    "averaged": averaged,
}
