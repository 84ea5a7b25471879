"""Dense layers: `Dense`, what it means in NumPy, and how it is fused with a ReLU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, SupportsIndex

import numpy as np

from ..backends import checks
from ..backends.numpy.operations import Gradients, Out, numpy_operation, written
from .activation import ReLU
from .base import Layer
from .lowering import Lowering, constant
from .registry import begins_with, register
from .weighted import Activation, Weighted

__all__ = ["Dense"]


@numpy_operation
def dense_forward(x: np.ndarray, w: np.ndarray, b: np.ndarray | None) -> np.ndarray:
    y: np.ndarray = x @ w
    if b is not None:
        y += b
    return y


@numpy_operation
def dense_input_gradient(dy: np.ndarray, w: np.ndarray) -> np.ndarray:
    dx: np.ndarray = dy @ w.T
    return dx


@numpy_operation
def dense_weight_gradient(dy: np.ndarray, x: np.ndarray, out: Out | None = None) -> Gradients:
    return written(x.T @ dy, dy.sum(axis=0), out)


class DenseGeometry(NamedTuple):
    inputs: int
    units: int
    relu: bool


@register
class Dense(Weighted):
    """Affine map, x @ weights + bias, of inputs (n, inputs) to (n, units).

    The weights (inputs, units) lie in memory unit by unit, as a transposed array does: the kernels run along inputs.

    Parameters
    ----------
    units : int
    activation : str, activation or None
        Shorthand for the layer after this one: "relu" in a net is `ReLU()` behind it.
    bias : bool

    Raises
    ------
    TypeError, ValueError
        `units` is no integer or below 1, an unknown activation; at `build`, inputs that are no rows.

    Examples
    --------
    >>> import cnn
    >>> layer = cnn.Dense(10).build(input_shape=(64,))
    >>> layer.output_shape, layer.parameters["weights"].shape
    ((10,), (64, 10))
    """

    memory_order = "F"

    def __init__(self, units: SupportsIndex, *, activation: Activation = None, bias: bool = True) -> None:
        super().__init__(activation, bias)
        self.units = checks.integer("units", units, minimum=1)

    @property
    def macs(self) -> int:
        return self.input_shape[0] * self.units if self.input_shape else 0

    def infer_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(input_shape) != 1:
            raise ValueError(f"input_shape of Dense must be (inputs,), got {input_shape}; put Flatten before it")
        checks.elements("inputs x units", input_shape[0], self.units)
        return (self.units,)

    def weights_shape(self) -> tuple[int, ...]:
        return *self.input_shape, self.units

    def apply(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        return self.ops.dense_forward(x, self.weights, self.bias), x

    def apply_gradient(self, dy: np.ndarray, kept: Any) -> np.ndarray:
        self.ops.dense_weight_gradient(dy, kept, self._gradients())
        return self.ops.dense_input_gradient(dy, self.weights)

    def lower(self, below: Sequence[Layer], above: Sequence[Layer], training: bool) -> Lowering:
        has_relu = begins_with(above, ReLU)
        geometry = constant(DenseGeometry(self.input_shape[0], self.units, has_relu))
        return Lowering("dense", 1 + has_relu, geometry, matrix=True)

    # ---- in other formats ----

    def to_onnx(self, graph: Any) -> None:
        weights = graph.in_order_of_row(self.weights).T
        graph.add("Gemm", *graph.constants_of({"weights": weights, "bias": self.bias}), transB=1)

    def to_torch(self, modules: Any) -> None:
        learned = {"weight": modules.in_order_of_row(self.weights).T, "bias": self.bias}
        modules.add("Linear", *self.input_shape, self.units, bias=self.bias is not None, learned=learned)

    def to_c(self, program: Any) -> None:
        program.dense(self.weights, self.bias)

    def to_page(self, page: Any) -> dict[str, Any]:
        return {"kind": "dense", "weights": page.numbers(self.weights), "bias": page.numbers(self.bias)}
