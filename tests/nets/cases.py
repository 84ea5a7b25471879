"""A net with a layer of every kind, its data, and what tells two such nets apart."""

from __future__ import annotations

import numpy as np

import cnn
import cnn.models
import cnn.reference

CLASSES = 5
SHAPE = (8, 9, 1)


def small(dtype="float32", seed=0, backend="compiled", ns=cnn):
    """A net with a layer of every kind, of sizes that differ from each other."""
    layers = [
        ns.Rescaling(1 / 8, -0.5), ns.Conv2D(3, 3), ns.ReLU(), ns.MaxPool2D(2),
        ns.Conv2D(4, (2, 3), padding="same", bias=False), ns.ReLU(), ns.Flatten(),
        ns.Dense(7), ns.ReLU(), ns.Dense(CLASSES),
    ]  # fmt: skip
    return cnn.Sequential(layers, input_shape=SHAPE, dtype=dtype, seed=seed, backend=backend)


def data(n: int, seed=0) -> tuple[np.ndarray, np.ndarray]:
    """Images of values that every dtype holds, and their labels."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 9, (n, *SHAPE), dtype=np.uint8), rng.integers(0, CLASSES, n)


def bits(net) -> bytes:
    return b"".join(value.tobytes() for value in net.parameters().values())


def values(net) -> np.ndarray:
    """A copy of all parameters as one row, in float64."""
    return np.concatenate([value.ravel() for value in net.parameters().values()]).astype(np.float64)


def fitted(net, x, y, **options):
    options = {"epochs": 2, "batch_size": 8, "seed": 3, "progress": False} | options
    return net.fit(x, y, **options)


class HasStep:
    """Not enough: a compiled step runs the rules that it knows."""

    def step(self, parameters, gradients):
        parameters -= gradients
