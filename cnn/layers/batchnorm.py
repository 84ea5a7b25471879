"""Batch normalisation: `BatchNorm` and what it means in NumPy, with moments and sums in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, SupportsFloat

import numpy as np

from ..backends import checks
from ..backends.numpy.operations import numpy_operation
from .activation import ReLU
from .base import Layer
from .lowering import Lowering, constant
from .pooling import MaxPool2D
from .registry import begins_with, register
from .weighted import Scaled

__all__ = ["BatchNorm"]


@numpy_operation
def batchnorm_forward(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The output, and mean and variance of every channel over the batch."""
    mean, variance = _moments(x)
    y = batchnorm_inference(x, gamma, beta, mean, variance, epsilon)
    return y, mean, variance


@numpy_operation
def batchnorm_inference(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, mean: np.ndarray, variance: np.ndarray, epsilon: float
) -> np.ndarray:
    return ((x - mean) / np.sqrt(variance + epsilon) * gamma + beta).astype(x.dtype)


@numpy_operation
def batchnorm_backward(
    dy: np.ndarray, x: np.ndarray, gamma: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(dx, dgamma, dbeta), mean and variance being those of x."""
    mean, variance = _moments(x)
    inverse = 1 / np.sqrt(variance + epsilon)
    xhat = (x - mean) * inverse
    dgamma, dbeta = _channel_sums(dy * xhat), _channel_sums(dy)
    dx = gamma * inverse * (dy - dbeta / _count(x) - xhat * dgamma / _count(x))
    return dx.astype(x.dtype), dgamma.astype(x.dtype), dbeta.astype(x.dtype)


def _moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of every channel, float64; zeros for an empty batch."""
    mean = _channel_sums(x) / _count(x)
    return mean, _channel_sums((x - mean) ** 2) / _count(x)


def _channel_sums(x: np.ndarray) -> np.ndarray:
    total: np.ndarray = x.sum(axis=tuple(range(x.ndim - 1)), dtype=np.float64)
    return total


def _count(x: np.ndarray) -> int:
    """Values of a channel; 1 for an empty batch, whose sums may so be divided."""
    return max(x.size // x.shape[-1], 1)


class NormGeometry(NamedTuple):
    """A batch normalisation, and a ReLU if one follows."""

    positions: int  # of one image
    c: int
    relu: bool
    keep: float  # of the running statistics, in a step


class NormPoolGeometry(NamedTuple):
    """The same, with a 2x2 max pooling after it: and the height and width of what is normalised."""

    positions: int
    c: int
    relu: bool
    keep: float
    h: int
    w: int


@register
class BatchNorm(Scaled):
    """Every channel brought to mean 0 and variance 1 over the batch, then times `gamma` plus `beta`, both learned.

    (Ioffe and Szegedy, 2015.) Stands after a convolution or a dense layer. In a prediction the running `statistics`
    take the batch's place, and a convolution below has all of it in its weights. A frozen layer (`trainable` is False)
    takes them in a step, too, as in Keras: they stay as they are.

    Parameters
    ----------
    momentum : float from 0 to 1
        How much of the running mean and variance stays in a step; the rest is the batch's, with the unbiased variance
        (PyTorch's rule; its `momentum` is one minus this).
    epsilon : float
        Added to the variance.

    Raises
    ------
    TypeError, ValueError
        A value that is no number or out of range.
    """

    def __init__(self, *, momentum: SupportsFloat = 0.9, epsilon: SupportsFloat = 1e-5) -> None:
        super().__init__()
        self.momentum = checks.number("momentum", momentum, maximum=1.0)
        self.epsilon = checks.number("epsilon", epsilon, minimum=float(np.finfo(np.float32).tiny))

    def learned_shapes(self) -> dict[str, tuple[int, ...]]:
        return super().learned_shapes() | dict.fromkeys(("mean", "variance"), self.input_shape[-1:])

    def initial_statistics(self) -> dict[str, np.ndarray]:
        channels = self.input_shape[-1]
        return {"mean": np.zeros(channels, self.dtype), "variance": np.ones(channels, self.dtype)}

    # Plans normalise in compiled code. A layer alone is bound by memory, and NumPy is as fast.

    def apply(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        if not training or not self.trainable:
            mean, variance = self.statistics["mean"], self.statistics["variance"]
            return batchnorm_inference(x, self.gamma, self.beta, mean, variance, self.epsilon), None
        y, mean, variance = batchnorm_forward(x, self.gamma, self.beta, self.epsilon)
        self._update_statistics(mean, variance, x.size // x.shape[-1])
        return y, x

    def apply_gradient(self, dy: np.ndarray, kept: Any) -> np.ndarray:
        if kept is None:  # frozen
            return (dy * (self.gamma / np.sqrt(self.statistics["variance"] + self.epsilon))).astype(dy.dtype)
        dx, dgamma, dbeta = batchnorm_backward(dy, kept, self.gamma, self.epsilon)
        self.gradients["gamma"][...], self.gradients["beta"][...] = dgamma, dbeta
        return dx

    def _update_statistics(self, mean: np.ndarray, variance: np.ndarray, count: int) -> None:
        """Bring the running statistics nearer to those of a batch with `count` values a channel; of none, not at all.

        The running variance is the unbiased one.
        """
        if count:
            batch = {"mean": mean, "variance": variance * count / max(count - 1, 1)}
            for name, value in batch.items():
                running = self.statistics[name]
                running[...] = self.momentum * running + (1 - self.momentum) * value

    def lower(self, below: Sequence[Layer], above: Sequence[Layer], training: bool) -> Lowering:
        has_relu, channels = begins_with(above, ReLU), self.input_shape[-1]
        geometry = NormGeometry(math.prod(self.input_shape) // channels, channels, has_relu, self.momentum)
        learns, pooling = training and self.trainable, above[has_relu:]
        if learns and begins_with(pooling, MaxPool2D) and pooling[0].halves:
            return Lowering(
                "batchnorm+pool",
                2 + has_relu,
                constant(NormPoolGeometry(*geometry, *self.input_shape[:2])),
                whole_batch=True,
                normalisation=self,
                epsilon=self.epsilon,
            )
        return Lowering(
            "batchnorm",
            1 + has_relu,
            constant(geometry),
            in_place=True,
            whole_batch=learns,
            normalisation=self,
            epsilon=self.epsilon,
        )

    # ---- in other formats ----

    def to_onnx(self, graph: Any) -> None:
        learned = graph.constants_of(self.parameters | self.statistics)
        graph.add("BatchNormalization", *learned, epsilon=self.epsilon, momentum=self.momentum)

    def to_torch(self, modules: Any) -> None:
        learned = {"weight": self.gamma, "bias": self.beta}
        statistics = {"running_mean": self.statistics["mean"], "running_var": self.statistics["variance"]}
        kind = "BatchNorm2d" if len(self.input_shape) == 3 else "BatchNorm1d"
        options = {"eps": self.epsilon, "momentum": 1 - self.momentum}
        modules.add(kind, self.input_shape[-1], **options, learned=learned | statistics)

    def to_c(self, program: Any) -> None:
        mean, variance = (self.statistics[name].astype(np.float64) for name in ("mean", "variance"))
        slope = self.gamma / np.sqrt(variance + self.epsilon)
        program.affine(self.input_shape, slope, self.beta - mean * slope)

    def to_page(self, page: Any) -> dict[str, Any]:
        learned = {name: page.numbers(value) for name, value in (self.parameters | self.statistics).items()}
        return {"kind": "batchnorm", "epsilon": self.epsilon, **learned}
