"""Layer normalisation: `LayerNorm` and what it means in NumPy, in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, SupportsFloat

import numpy as np

from ..backends import checks
from ..backends.numpy.operations import numpy_operation
from .base import Layer
from .lowering import Lowering, constant
from .registry import register
from .weighted import Scaled

__all__ = ["LayerNorm"]


@numpy_operation
def layernorm_forward(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, epsilon: float) -> np.ndarray:
    xhat, _ = _normalized(x, epsilon)
    return (xhat * gamma + beta).astype(x.dtype)


@numpy_operation
def layernorm_backward(
    dy: np.ndarray, x: np.ndarray, gamma: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(dx, dgamma, dbeta)."""
    xhat, inverse = _normalized(x, epsilon)
    positions = tuple(range(x.ndim - 1))
    dgamma, dbeta = (dy * xhat).sum(axis=positions), dy.sum(axis=positions, dtype=np.float64)
    d = dy.astype(np.float64) * gamma
    dx = inverse * (d - _channel_mean(d) - xhat * _channel_mean(d * xhat))
    return dx.astype(x.dtype), dgamma.astype(x.dtype), dbeta.astype(x.dtype)


def _normalized(x: np.ndarray, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """The channels of each position with mean 0 and variance 1, and what their deviations were multiplied by."""
    deviations = x - _channel_mean(x)
    deviations -= _channel_mean(deviations)  # what the mean was rounded by
    inverse = 1 / np.sqrt(_channel_mean(deviations**2) + epsilon)
    return deviations * inverse, inverse


def _channel_mean(x: np.ndarray) -> np.ndarray:
    mean: np.ndarray = x.mean(axis=-1, keepdims=True, dtype=np.float64)
    return mean


class LayerNormGeometry(NamedTuple):
    """Positions of one image, the channels of each, and what is added to their variance."""

    positions: int
    c: int
    epsilon: float


@register
class LayerNorm(Scaled):
    """The channels of every position brought to mean 0 and variance 1, then times `gamma` plus `beta`, both learned.

    (Ba, Kiros and Hinton, 2016.) Over the last axis alone, as in Keras: an image is normalised pixel by pixel, a row of
    numbers as a whole. It is the same in training and prediction, and independent of the batch.

    Parameters
    ----------
    epsilon : float
        Added to the variance.

    Raises
    ------
    TypeError, ValueError
        A value that is no number or out of range.
    """

    def __init__(self, epsilon: SupportsFloat = 1e-5) -> None:
        super().__init__()
        self.epsilon = checks.number("epsilon", epsilon, minimum=float(np.finfo(np.float32).tiny))

    # Plans normalise in compiled code. A layer alone is bound by memory, and NumPy does for it.

    def apply(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        return layernorm_forward(x, self.gamma, self.beta, self.epsilon), x

    def apply_gradient(self, dy: np.ndarray, kept: Any) -> np.ndarray:
        dx, dgamma, dbeta = layernorm_backward(dy, kept, self.gamma, self.epsilon)
        self.gradients["gamma"][...], self.gradients["beta"][...] = dgamma, dbeta
        return dx

    def lower(self, below: Sequence[Layer], above: Sequence[Layer], training: bool) -> Lowering:
        channels = self.input_shape[-1]
        geometry = LayerNormGeometry(math.prod(self.input_shape) // channels, channels, self.epsilon)
        return Lowering("layernorm", geometry=constant(geometry), in_place=True)

    # ---- in other formats ----

    def to_onnx(self, graph: Any) -> None:
        learned, is_map = graph.constants_of(self.parameters), len(self.input_shape) == 3
        if is_map:  # it is computed along the last axes of a tensor
            graph.add("Transpose", perm=(0, 2, 3, 1))
        graph.add("LayerNormalization", *learned, axis=-1, epsilon=self.epsilon)
        if is_map:
            graph.add("Transpose", perm=(0, 3, 1, 2))

    def to_torch(self, modules: Any) -> None:
        kind = "LayerNormOfChannels" if len(self.input_shape) == 3 else "LayerNorm"
        learned = {"weight": self.gamma, "bias": self.beta}
        modules.add(kind, self.input_shape[-1], eps=self.epsilon, learned=learned)

    def to_c(self, program: Any) -> None:
        program.layer_norm(self.gamma, self.beta, self.epsilon)

    def to_page(self, page: Any) -> dict[str, Any]:
        learned = {name: page.numbers(value) for name, value in self.parameters.items()}
        return {"kind": "layernorm", "epsilon": self.epsilon, **learned}
