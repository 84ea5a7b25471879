"""A net that one thread trains again and again, while others do something with it."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

import cnn

BATCH, IMAGES, EPOCHS = 4, 480, 8


def wide(backend="compiled"):
    """A net that takes long to copy, for its steps, and has running statistics."""
    layers = [cnn.Dense(96), cnn.BatchNorm(), cnn.ReLU(), cnn.Dense(64), cnn.ReLU(), cnn.Dense(4)]
    return cnn.Sequential(layers, (40,), seed=0, backend=backend)


def images():
    rng = np.random.default_rng(0)
    return rng.standard_normal((IMAGES, 40)).astype(np.float32), rng.integers(0, 4, IMAGES)


def optimizer():
    return cnn.SGD(0.01, momentum=0.9)


def digest(state) -> bytes:
    return hashlib.sha256(b"".join(value.tobytes() for value in state.values())).digest()


def train(net, epochs=EPOCHS, callbacks=()):
    x, y = images()
    net.fit(x, y, epochs, BATCH, optimizer(), shuffle=False, callbacks=callbacks, progress=False)


@contextmanager
def fit_again_and_again(net, epochs=EPOCHS):
    """Another thread trains the net from its first state, over and over, until the block is left."""
    first, ended = net.snapshot(), threading.Event()

    def work():
        while not ended.is_set():
            net.set_parameters(first)
            train(net, epochs)

    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(work)
        try:
            yield
        finally:
            ended.set()
        result.result()
