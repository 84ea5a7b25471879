"""Activations: layers that change every number by itself, each one class and two functions in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends.numpy.operations import numpy_operation
from .base import Layer
from .lowering import Lowering, constant
from .registry import register

__all__ = ["ReLU"]


class Elementwise(Layer):
    """A layer whose operation names all that it does.

    Its functions are `{operation}_forward(x, *numbers) -> y` and `{operation}_backward(dy, y, *numbers) -> dx`, of the
    numbers that its constructor takes; its row in the compiled table has the operation's name.
    """

    operation: str
    keeps_input = False  # whether the second function takes x in the place of y

    @property
    def numbers(self) -> tuple[Any, ...]:
        """The constructor's arguments, in their order."""
        return tuple(self.configuration().values())

    def apply(self, x, training):
        y = getattr(self.ops, f"{self.operation}_forward")(x, *self.numbers)
        return y, x if self.keeps_input else y

    def apply_gradient(self, dy, kept):
        return getattr(self.ops, f"{self.operation}_backward")(dy, kept, *self.numbers)

    def lower(self, below, above, training):
        return Lowering(self.operation, geometry=constant(self.numbers), in_place=True)


@numpy_operation
def relu_forward(x: np.ndarray) -> np.ndarray:
    y: np.ndarray = np.maximum(x, 0)
    return y


@numpy_operation
def relu_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.where(y > 0, dy, y.dtype.type(0))


@register
class ReLU(Elementwise):
    """max(x, 0), elementwise."""

    operation = "relu"
