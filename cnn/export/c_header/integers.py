"""A quantised net in NumPy, by the arithmetic of the C kernels: the same integers, bit for bit.

A tensor holds integers q from -128 to 127, which stand for (q - zero) * step. Sums of products are computed in float64,
which is exact for integers below 2^53, in whatever order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...backends.numpy.windows import pad, views
from .evaluation import ops
from .program import AvgPool, Convolution, Dense, MaxPool, Operation, Tensor

LOWEST, HIGHEST = -128, 127


@dataclass(frozen=True)
class Scale:
    """What the integers of a tensor stand for."""

    step: float
    zero: int

    @property
    def low(self) -> float:
        """What the lowest integer stands for."""
        return (LOWEST - self.zero) * self.step

    def quantised(self, values: np.ndarray) -> np.ndarray:
        """The nearest integers, int8."""
        return np.clip(np.floor(values / self.step + 0.5) + self.zero, LOWEST, HIGHEST).astype(np.int8)


@dataclass(eq=False)
class IntegerAffine:
    """Weights as int8, the other arrays for each output channel: (sum + bias) * multiplier / 2^shift + y_zero."""

    operation: Convolution | Dense
    weights: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    x_zero: int
    y_zero: int

    def __call__(self, x: np.ndarray) -> np.ndarray:
        product = sums(self.operation, x, self.x_zero, self.weights, self.bias) * self.multiplier
        return saturated(product, self.shift, self.y_zero)


@dataclass(eq=False)
class IntegerLogits:
    """The last dense layer: (sum + bias) * step, float32."""

    operation: Dense
    weights: np.ndarray
    bias: np.ndarray
    step: np.ndarray
    x_zero: int

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return sums(self.operation, x, self.x_zero, self.weights, self.bias).astype(np.float32) * self.step


@dataclass(eq=False)
class IntegerTable:
    """A function, by a table of its values at all integers; None for one that changes nothing."""

    operation: Operation
    table: np.ndarray | None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return x if self.table is None else self.table[x.astype(np.intp) - LOWEST]


@dataclass(eq=False)
class IntegerMaxPool:
    operation: MaxPool

    def __call__(self, x: np.ndarray) -> np.ndarray:
        g = self.operation.geometry
        return ops.maxpool2d_forward(x.reshape(-1, *g.input_shape).astype(np.float32), g)[0].astype(np.int8)


@dataclass(eq=False)
class IntegerAvgPool:
    """sum * multiplier[missing] / 2^shift + y_zero, where so many pixels of the window lie outside of the input."""

    operation: AvgPool
    multiplier: np.ndarray
    shift: int
    x_zero: int
    y_zero: int

    def __call__(self, x: np.ndarray) -> np.ndarray:
        g = self.operation.geometry
        total = np.zeros((len(x), *g.output_shape), np.int64)
        inside = np.zeros((1, g.oh, g.ow, 1), np.int64)
        differences = x.reshape(-1, *g.input_shape).astype(np.int64) - self.x_zero
        for _, _, view in views(pad(differences, g, 0), g):
            total += view
        for _, _, view in views(pad(np.ones((1, g.h, g.w, 1), np.int64), g, 0), g):
            inside += view
        return saturated(total * self.multiplier[g.kh * g.kw - inside], self.shift, self.y_zero)


@dataclass(eq=False)
class IntegerAdd:
    """(sum of (q - zero) * multiplier of both inputs) / 2^shift + y_zero."""

    operation: Operation
    zeros: tuple[int, int]
    multiplier: np.ndarray
    shift: int
    y_zero: int

    def __call__(self, *x: np.ndarray) -> np.ndarray:
        parts = zip(x, self.zeros, self.multiplier, strict=True)
        total = sum((each.astype(np.int64) - zero) * multiplier for each, zero, multiplier in parts)
        return saturated(np.asarray(total), self.shift, self.y_zero)


@dataclass(eq=False)
class IntegerExit:
    """Integers as the float32 numbers that they stand for."""

    operation: Operation
    scale: Scale

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return (x.astype(np.int32) - self.scale.zero).astype(np.float32) * np.float32(self.scale.step)


Step = IntegerAffine | IntegerLogits | IntegerTable | IntegerMaxPool | IntegerAvgPool | IntegerAdd | IntegerExit


@dataclass(eq=False)
class Integers:
    """A quantised net: how the image is read, and a step for each operation."""

    image: Tensor
    entry: Scale
    steps: Sequence[Step]

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """Logits (n, outputs), float32, for images (n, size) of float32."""
        values = {self.image: entered(x, self.entry)}
        y = values[self.image]
        for step in self.steps:
            y = step(*(values[each] for each in step.operation.inputs)).reshape(len(x), -1)
            values[step.operation.output] = y
        return y


def entered(x: np.ndarray, scale: Scale) -> np.ndarray:
    """float32 images as integers; -128 for NaN."""
    with np.errstate(invalid="ignore", over="ignore"):
        level = (x - np.float32(scale.low)) / np.float32(scale.step) + np.float32(0.5)
        level = np.where(level >= 255, np.float32(255), np.where(level > 0, level, np.float32(0)))
    return (level.astype(np.int32) + LOWEST).astype(np.int8)


def sums(operation: Convolution | Dense, x: np.ndarray, zero: int, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Sums of products (q - zero) * weight, plus the bias: int64, (n, outputs) or (n, oh, ow, c_out)."""
    wide, differences = weights.astype(np.float64), x.astype(np.float64) - zero
    if isinstance(operation, Dense):
        return (differences @ wide).astype(np.int64) + bias
    g = operation.geometry
    return ops.conv2d_forward(differences.reshape(-1, *g.input_shape), wide, None, g).astype(np.int64) + bias


def saturated(total: np.ndarray, shift: np.ndarray | int, zero: int) -> np.ndarray:
    """floor(total / 2^shift + 1/2) + zero, int8; total int64."""
    half = np.int64(1) << (np.asarray(shift, np.int64) - 1)
    return np.clip(((total + half) >> shift) + zero, LOWEST, HIGHEST).astype(np.int8)
