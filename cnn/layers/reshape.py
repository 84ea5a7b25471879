"""What brings images into the form that a net wants: `Flatten` and `Rescaling`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, SupportsFloat

import numpy as np

from ..backends import checks
from ..backends.calls import Elementwise
from .base import Layer
from .lowering import Lowering, constant, load
from .registry import register

__all__ = ["Flatten", "Rescaling"]


@register
class Flatten(Layer):
    """Each image as one row."""

    def infer_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (math.prod(input_shape),)

    def apply(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        return x.reshape(len(x), *self.output_shape), None

    def apply_gradient(self, dy: np.ndarray, kept: Any) -> np.ndarray:
        return dy.reshape(len(dy), *self.input_shape)

    def lower(self, below: Sequence[Layer], above: Sequence[Layer], training: bool) -> None:
        return None  # the numbers lie in this order already

    # ---- in other formats ----

    def to_onnx(self, graph: Any) -> None:
        graph.flatten(self.input_shape)

    def to_torch(self, modules: Any) -> None:
        modules.flatten(self.input_shape)

    def to_c(self, program: Any) -> None:
        pass  # the numbers lie in this order already

    def to_page(self, page: Any) -> dict[str, Any]:
        return {"kind": "flatten"}


@register
class Rescaling(Layer):
    """x * scale + offset, so that a net takes images as the files hold them.

    Parameters
    ----------
    scale, offset : float

    Raises
    ------
    TypeError, ValueError
        What is no number, or not finite.
    """

    def __init__(self, scale: SupportsFloat, offset: SupportsFloat = 0.0) -> None:
        super().__init__()
        self.scale = checks.number("scale", scale, minimum=-math.inf)
        self.offset = checks.number("offset", offset, minimum=-math.inf)

    def apply(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        y = x * self.dtype.type(self.scale)
        y += self.dtype.type(self.offset)
        return y, None

    def apply_gradient(self, dy: np.ndarray, kept: Any) -> np.ndarray:
        return dy * self.dtype.type(self.scale)

    def lower(self, below: Sequence[Layer], above: Sequence[Layer], training: bool) -> Lowering:
        if not below:  # the images are rescaled as they are read
            return load(self.input_shape, 1, self.scale, self.offset)
        geometry = Elementwise("rescale", (self.scale, self.offset))
        return Lowering("elementwise", geometry=constant(geometry), label="rescale", in_place=True)

    # ---- in other formats ----

    def to_onnx(self, graph: Any) -> None:
        graph.add("Mul", graph.constant("scale", self.scale))
        if self.offset:
            graph.add("Add", graph.constant("offset", self.offset))

    def to_torch(self, modules: Any) -> None:
        modules.add("Rescaling", self.scale, self.offset)

    def to_c(self, program: Any) -> None:
        program.affine(self.input_shape, self.scale, self.offset)

    def to_page(self, page: Any) -> dict[str, Any]:
        return {"kind": "rescale", "scale": self.scale, "offset": self.offset}
