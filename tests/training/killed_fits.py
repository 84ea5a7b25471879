"""Small fits in which something happens at an epoch, and what tells their results apart."""

from __future__ import annotations

import numpy as np
import pytest

import cnn

SHAPE = (6, 6, 1)


class Killed(Exception):
    pass


class Kill(cnn.Callback):
    """Ends the fit as an error would, after its checkpoint of that epoch or before it."""

    def __init__(self, after_epoch, comes_last=True):
        self.after_epoch, self.comes_last = after_epoch, comes_last

    def on_epoch_end(self, net, logs):
        if logs["epoch"] == self.after_epoch:
            raise Killed


class AtEpochBegin(cnn.Callback):
    """Call a function when an epoch begins."""

    def __init__(self, epoch, call):
        self.epoch, self.call = epoch, call

    def on_epoch_begin(self, net, logs):
        if logs["epoch"] == self.epoch:
            self.call()


def small(dtype="float32", backend="compiled"):
    layers = [
        cnn.Rescaling(1 / 255, -0.5), cnn.Conv2D(3, 3), cnn.ReLU(), cnn.MaxPool2D(2), cnn.Flatten(), cnn.Dense(4),
    ]  # fmt: skip
    return cnn.Sequential(layers, SHAPE, dtype=dtype, seed=0, backend=backend)


def data(n=30, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, *SHAPE), dtype=np.uint8), rng.integers(0, 4, n)


OPTIMIZERS = {
    "SGD": lambda: cnn.SGD(0.05),
    "momentum": lambda: cnn.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=1e-4),
    "cosine": lambda: cnn.SGD(cnn.schedules.Cosine(0.1), momentum=0.9),
    "Adam": lambda: cnn.Adam(cnn.schedules.Cosine(0.01)),
    "AdamW": lambda: cnn.AdamW(cnn.schedules.OneCycle(0.01)),
}


def fitted(net, callbacks=(), optimizer="cosine", **options):
    options = {"epochs": 6, "batch_size": 8, "seed": 5, "validation_data": data(10, 1), "progress": False} | options
    x, y = options.pop("data", data())
    return net.fit(x, y, callbacks=callbacks, optimizer=OPTIMIZERS[optimizer](), **options)


def bits(net) -> bytes:
    return b"".join(value.tobytes() for value in net.state().values())


def figures(history):
    """What does not depend on the clock."""
    return history.loss, history.accuracy, history.val_loss, history.val_accuracy


def killed(path, after_epoch, every=1, callbacks=(), net=None, **options):
    """The net of a fit that was killed, and its checkpoint in `path`."""
    net = small() if net is None else net
    with pytest.raises(Killed):
        fitted(net, [*callbacks, cnn.Checkpoint(path, every), Kill(after_epoch)], **options)
    return net
