"""A program's operations in float32, by the compiled kernels: what the integers of a quantised net stand for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import singledispatch
from typing import Any, NamedTuple

import numpy as np

from ...backends.numpy.operations import NUMPY_OPERATIONS
from ...backends.select import operations as of_backend
from .program import (
    Add,
    AvgPool,
    Convolution,
    Dense,
    Elementwise,
    LayerNorm,
    MaxPool,
    Operation,
    Tensor,
)

ops: Any = of_backend("compiled")
BATCH = 256  # images that are computed together
Values = dict[Tensor, np.ndarray]  # (images, size) of each tensor


def batches(images: np.ndarray) -> Iterator[np.ndarray]:
    """The images as rows of float32, some of them at a time."""
    for start in range(0, len(images), BATCH):
        part = images[start : start + BATCH].astype(np.float32)
        yield part.reshape(len(part), -1)


class Floats(NamedTuple):
    """A program that is run."""

    operations: Sequence[Operation]
    image: Tensor

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """Logits (n, outputs) for images (n, size)."""
        return evaluate(self.operations, self.image, x)[self.operations[-1].output]


def evaluate(operations: Sequence[Operation], image: Tensor, x: np.ndarray) -> Values:
    """All tensors for images x (n, size), float32."""
    values = {image: x}
    for each in operations:
        y = computed(each, *(values[tensor] for tensor in each.inputs))
        values[each.output] = y.reshape(len(x), -1)
    return values


@singledispatch
def computed(operation: Operation, *x: np.ndarray) -> np.ndarray:
    """What an operation makes of its inputs, each (n, size)."""
    raise NotImplementedError(type(operation))


@computed.register
def _(operation: Convolution, x: np.ndarray) -> np.ndarray:
    g = operation.geometry
    return ops.conv2d_forward(x.reshape(-1, *g.input_shape), _narrow(operation.weights), _narrow(operation.bias), g)


@computed.register
def _(operation: Dense, x: np.ndarray) -> np.ndarray:
    return ops.dense_forward(x, _narrow(operation.weights), _narrow(operation.bias))


@computed.register
def _(operation: MaxPool, x: np.ndarray) -> np.ndarray:
    g = operation.geometry
    return ops.maxpool2d_forward(x.reshape(-1, *g.input_shape), g)[0]


@computed.register
def _(operation: AvgPool, x: np.ndarray) -> np.ndarray:
    g = operation.geometry
    return ops.avgpool2d_forward(x.reshape(-1, *g.input_shape), g)


@computed.register
def _(operation: Elementwise, x: np.ndarray) -> np.ndarray:
    return operation.function(x)


@computed.register
def _(operation: LayerNorm, x: np.ndarray) -> np.ndarray:
    channels = x.reshape(len(x), -1, len(operation.gamma))
    gamma, beta = _narrow(operation.gamma), _narrow(operation.beta)
    return NUMPY_OPERATIONS.layernorm_forward(channels, gamma, beta, operation.epsilon)


@computed.register
def _(operation: Add, x: np.ndarray, other: np.ndarray) -> np.ndarray:
    return x + other


def _narrow(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, np.float32)
