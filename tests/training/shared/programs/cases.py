"""Fits that processes share: for each, its net, its data and its arguments, which are the same on all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import cnn
import cnn.datasets
import cnn.models

SHAPE = (28, 28, 1)


class Case(NamedTuple):
    """A fit. All of it is made anew for each one."""

    net: Callable[..., cnn.Sequential]  # of dtype
    images: int = 150  # no multiple of the batch size
    options: Callable[[], dict[str, Any]] = dict
    shards: str = ""  # of an array, or of a file
    values: bool = False  # whether targets are rows of numbers

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        return images(self.images, values=self.values)

    def arguments(self) -> dict[str, Any]:
        options = {"epochs": 2, "batch_size": 32, "seed": 5, "optimizer": cnn.SGD(0.02, momentum=0.9)}
        options |= {"validation_data": images(21, 1, self.values), "progress": False}
        return options | self.options()


def images(n: int, seed: int = 0, values: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 256, (n, *SHAPE), dtype=np.uint8), rng.integers(0, 10, n)
    return x, np.eye(10, dtype=np.float32)[y] if values else y


# ---- nets ----


def _net(dtype: str, *layers: Any, loss: Any = None, shape: tuple[int, ...] = SHAPE) -> cnn.Sequential:
    options = {} if loss is None else {"loss": loss}
    return cnn.Sequential([cnn.Rescaling(1 / 255, -0.5), *layers], shape, dtype=dtype, seed=1, **options)


def tutorial(dtype: str) -> cnn.Sequential:
    return _net(dtype, cnn.Conv2D(8, 3), cnn.MaxPool2D(2), cnn.Flatten(), cnn.Dense(10))


def two_conv(dtype: str) -> cnn.Sequential:
    return cnn.models.two_conv(dtype=dtype, seed=1)


def lenet5(dtype: str) -> cnn.Sequential:
    return cnn.models.lenet5(dtype=dtype, seed=1)


def normalised(dtype: str) -> cnn.Sequential:
    return _net(
        dtype, cnn.Conv2D(4, 3, stride=2), cnn.BatchNorm(), cnn.ReLU(), cnn.Conv2D(6, 3), cnn.BatchNorm(), cnn.ReLU(),
        cnn.MaxPool2D(2), cnn.Flatten(), cnn.Dense(20), cnn.BatchNorm(), cnn.ReLU(), cnn.Dropout(0.3), cnn.Dense(10),
    )  # fmt: skip


def residual(dtype: str) -> cnn.Sequential:
    block = [cnn.DepthwiseConv2D(3, padding="same"), cnn.LayerNorm(), cnn.ReLU(), cnn.Conv2D(4, 1)]
    return _net(
        dtype, cnn.Conv2D(4, 5, stride=2), cnn.Residual(block), cnn.LayerNorm(), cnn.GlobalAvgPool2D(), cnn.Dense(10)
    )


def small(dtype: str, loss: Any = None) -> cnn.Sequential:
    return _net(
        dtype, cnn.Conv2D(3, 5, stride=3), cnn.ReLU(), cnn.Flatten(), cnn.Dense(12), cnn.Tanh(), cnn.Dense(10),
        loss=loss,
    )  # fmt: skip


def frozen(dtype: str) -> cnn.Sequential:
    net = normalised(dtype)
    net.layers[1].trainable = net.layers[2].trainable = net.layers[9].trainable = False
    return net


# ---- in Python ----


class Scale(cnn.Layer):
    """A factor for each channel, which is learned, and how large images are, which is not."""

    def initial_parameters(self, rng: np.random.Generator) -> dict[str, Any]:
        return {"factor": rng.uniform(0.5, 1.5, self.input_shape[-1])}

    def initial_statistics(self) -> dict[str, Any]:
        return {"size": np.ones(1)}

    def apply(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        if training and self.trainable:
            self.statistics["size"][...] = 0.75 * self.statistics["size"] + 0.25 * np.abs(x).mean()
        return x * self.parameters["factor"], x.copy()

    def apply_gradient(self, dy: np.ndarray, x: np.ndarray) -> np.ndarray:
        self.gradients["factor"][...] = (dy * x).sum(axis=tuple(range(x.ndim - 1)))
        return dy * self.parameters["factor"]


class Shift(cnn.Layer):
    """Without parameters."""

    def apply(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        return x + 0.25, None

    def apply_gradient(self, dy: np.ndarray, kept: Any) -> np.ndarray:
        return dy


def in_python(dtype: str, loss: Any = None) -> cnn.Sequential:
    return _net(
        dtype, Shift(), cnn.Conv2D(3, 5, stride=3), Scale(), cnn.BatchNorm(), cnn.ReLU(), cnn.Flatten(), Scale(),
        cnn.Dense(10), loss=loss,
    )  # fmt: skip


def power_of_four(outputs: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    error = outputs - targets
    return float((error**4).mean()), 4 * error**3 / error.size


class SignMomentum(cnn.Optimizer):
    states = ("velocity",)

    def update(self, parameters: np.ndarray, gradients: np.ndarray, rate: float) -> None:
        velocity = self.state["velocity"]
        velocity *= 0.9
        velocity += gradients
        parameters -= rate * np.sign(velocity)


# ---- callbacks ----


class Meddling(cnn.Callback):
    """Changes what callbacks may change, from batch to batch."""

    def on_batch_end(self, net: Any, logs: dict[str, Any]) -> None:
        if logs["batch"] == 2:
            net.current_fit.optimizer.learning_rate = 0.01 * logs["loss"]
            net.set_parameters({name: -0.5 * value for name, value in net.parameters().items()})

    def on_epoch_end(self, net: Any, logs: dict[str, Any]) -> None:
        net.layers[1].trainable = not net.layers[1].trainable
        net.set_parameters({name: np.where(value > 0, value, -0.0) for name, value in net.parameters().items()})


class EndsInTheMiddle(cnn.Callback):
    def on_batch_end(self, net: Any, logs: dict[str, Any]) -> None:
        net.stop_training = logs["epoch"] == 2 and logs["batch"] == 3


def stopping() -> dict[str, Any]:
    """A rate that falls and, after a step that is too long, the best epoch's parameters."""
    callbacks = [
        cnn.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=0.2),
        cnn.EarlyStopping("loss", patience=2, min_delta=0.5, restore_best=True),
    ]
    return {"epochs": 8, "callbacks": callbacks, "optimizer": cnn.Adam(0.003)}


def weights() -> dict[str, Any]:
    rng = np.random.default_rng(2)
    return {"class_weight": dict(enumerate(rng.uniform(0.1, 3, 10))), "sample_weight": rng.integers(0, 3, 150)}


CASES = {
    "tutorial": Case(tutorial, options=lambda: {"augment": cnn.Augment(shift=2, rotate=10)}),
    "two_conv": Case(two_conv, 70),
    "lenet5": Case(lenet5, 110, lambda: {"optimizer": cnn.Adam(0.002), "augment": cnn.Augment(elastic=1.0)}),
    "normalised": Case(normalised, options=lambda: {"augment": cnn.Augment(shift=1, scale=0.1, noise=4)}),
    "residual": Case(residual, options=lambda: {"label_smoothing": 0.1}),
    "clip_norm": Case(normalised, 90, lambda: {"optimizer": cnn.AdamW(cnn.schedules.Cosine(0.01), clip_norm=0.3)}),
    "clip_value": Case(small, options=lambda: {"optimizer": cnn.Lion(0.001, clip_value=0.01)}),
    "weights": Case(normalised, options=weights),
    "squared_error": Case(lambda dtype: small(dtype, cnn.losses.MeanSquaredError()), values=True),
    "huber": Case(lambda dtype: small(dtype, cnn.losses.Huber()), options=lambda: {"shuffle": False}, values=True),
    "yes_or_no": Case(lambda dtype: small(dtype, cnn.losses.BinaryCrossEntropy()), values=True),
    "layer_in_python": Case(in_python),
    "all_in_python": Case(
        lambda dtype: in_python(dtype, power_of_four), 90, lambda: {"optimizer": SignMomentum(0.001)}, values=True
    ),
    "optimizer_in_python": Case(small, options=lambda: {"optimizer": SignMomentum(0.001, clip_norm=1.0)}),
    "batch_of_1": Case(small, 9, lambda: {"batch_size": 1}),
    "batch_of_1_in_python": Case(in_python, 5, lambda: {"batch_size": 1}),
    "batch_of_5": Case(normalised, 17, lambda: {"batch_size": 5}),
    "batch_of_600": Case(small, 700, lambda: {"batch_size": 600}),
    "batch_of_1100": Case(normalised, 1300, lambda: {"batch_size": 1100}),
    "frozen": Case(frozen),
    "stopping": Case(small, 64, stopping),
    "average": Case(normalised, 90, lambda: {"callbacks": [cnn.ExponentialAverage(0.9)]}),
    "meddling": Case(normalised, 90, lambda: {"epochs": 3, "callbacks": [Meddling()]}),
    "time_limit": Case(normalised, options=lambda: {"callbacks": [cnn.TimeLimit(0)]}),  # after a batch
    "rate_finder": Case(small, options=lambda: {"callbacks": [cnn.LearningRateFinder()]}),
    "ends_in_the_middle": Case(normalised, options=lambda: {"callbacks": [EndsInTheMiddle()]}),
    "shards": Case(normalised, options=lambda: {"augment": cnn.Augment(shift=2)}, shards="array"),
    "shards_of_files": Case(small, options=weights, shards="file"),
    "shard_of_nothing": Case(small, 5, lambda: {"batch_size": 3}, shards="array"),
}
