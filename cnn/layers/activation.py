"""Activations: layers that change every number by itself, each one class and two functions in NumPy.

The functions are `{function}_forward(x, *constants) -> y` and `{function}_backward(dy, kept, *constants) -> dx`, where
`kept` is y, or x if the class says so. Its compiled loops, of the same name, are in `src/cnn_c/ops/elementwise.pxd`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, SupportsFloat

import numpy as np

from ..backends import calls, checks
from ..backends.numpy.loss import sigmoid
from ..backends.numpy.operations import numpy_operation
from .base import Layer
from .lowering import Lowering, constant
from .registry import register

__all__ = ["GELU", "LeakyReLU", "ReLU", "SiLU", "Sigmoid", "Softplus", "Tanh"]


class Elementwise(Layer):
    """What activations share: all that an operation, a plan and a file need follows from the function's name."""

    function: str
    formula: str  # of x and the constants, as C and JavaScript have it; functions: abs, erfc, exp, log1p, tanh
    keeps_input = False  # whether the gradient is computed from x; else it is from y

    @property
    def elementwise(self) -> calls.Elementwise:
        """The function with its constants, which are the constructor's arguments."""
        return calls.Elementwise(self.function, tuple(self.configuration().values()))

    def apply(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        y = self.ops.elementwise_forward(self.elementwise, x)
        return y, x if self.keeps_input else y

    def apply_gradient(self, dy: np.ndarray, kept: Any) -> np.ndarray:
        return self.ops.elementwise_backward(self.elementwise, dy, kept)

    def lower(self, below: Sequence[Layer], above: Sequence[Layer], training: bool) -> Lowering:
        return Lowering("elementwise", geometry=constant(self.elementwise), label=self.function, in_place=True)

    # ---- in other formats ----

    def to_c(self, program: Any) -> None:
        program.elementwise(self.formula, self.configuration(), lambda x: self.apply(x, training=False)[0])

    def to_page(self, page: Any) -> dict[str, Any]:
        function, constants = self.elementwise
        return {"kind": "elementwise", "function": function, "constants": list(constants), "formula": self.formula}


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

    function = "relu"
    formula = "x < 0 ? 0 : x"

    # ---- in other formats ----

    def to_onnx(self, graph: Any) -> None:
        graph.add("Relu")

    def to_torch(self, modules: Any) -> None:
        modules.add("ReLU")

    def to_c(self, program: Any) -> None:
        program.relu(self.formula, lambda x: self.apply(x, training=False)[0])


@numpy_operation
def leaky_relu_forward(x: np.ndarray, slope: float) -> np.ndarray:
    return np.where(x > 0, x, x.dtype.type(slope) * x)


@numpy_operation
def leaky_relu_backward(dy: np.ndarray, x: np.ndarray, slope: float) -> np.ndarray:
    return np.where(x > 0, dy, dy.dtype.type(slope) * dy)


@register
class LeakyReLU(Elementwise):
    """x where it is positive, else slope * x, elementwise (Maas, Hannun and Ng, 2013).

    Parameters
    ----------
    slope : float

    Raises
    ------
    TypeError, ValueError
        A slope that is no number, or not finite.
    """

    function = "leaky_relu"
    formula = "x > 0 ? x : slope * x"
    keeps_input = True

    def __init__(self, slope: SupportsFloat = 0.01) -> None:
        super().__init__()
        self.slope = checks.number("slope", slope, minimum=-math.inf)

    # ---- in other formats ----

    def to_onnx(self, graph: Any) -> None:
        graph.add("LeakyRelu", alpha=self.slope)

    def to_torch(self, modules: Any) -> None:
        modules.add("LeakyReLU", self.slope)


@numpy_operation
def sigmoid_forward(x: np.ndarray) -> np.ndarray:
    return sigmoid(x)


@numpy_operation
def sigmoid_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    dx: np.ndarray = dy * (y * (1 - y))
    return dx


@register
class Sigmoid(Elementwise):
    """1 / (1 + exp(-x)), elementwise."""

    function = "sigmoid"
    formula = "1 / (1 + exp(-x))"

    # ---- in other formats ----

    def to_onnx(self, graph: Any) -> None:
        graph.add("Sigmoid")

    def to_torch(self, modules: Any) -> None:
        modules.add("Sigmoid")


@numpy_operation
def tanh_forward(x: np.ndarray) -> np.ndarray:
    y: np.ndarray = np.tanh(x)
    return y


@numpy_operation
def tanh_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    dx: np.ndarray = dy * (1 - y * y)
    return dx


@register
class Tanh(Elementwise):
    """The hyperbolic tangent, elementwise."""

    function = "tanh"
    formula = "tanh(x)"

    # ---- in other formats ----

    def to_onnx(self, graph: Any) -> None:
        graph.add("Tanh")

    def to_torch(self, modules: Any) -> None:
        modules.add("Tanh")


_erfc = np.vectorize(math.erfc, otypes=[np.float64])  # NumPy has none


def _normal_distribution(x: np.ndarray) -> np.ndarray:
    """(1 + erf(x / sqrt(2))) / 2, float64."""
    share: np.ndarray = _erfc(x.astype(np.float64) * -math.sqrt(0.5)) / 2
    return share


@numpy_operation
def gelu_forward(x: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # -inf times 0
        return (x * _normal_distribution(x)).astype(x.dtype)


@numpy_operation
def gelu_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    wide = x.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        density = np.exp(-wide * wide / 2) / math.sqrt(2 * math.pi)
        return (dy * (_normal_distribution(x) + wide * density)).astype(x.dtype)


@register
class GELU(Elementwise):
    """x * (1 + erf(x / sqrt(2))) / 2, elementwise (Hendrycks and Gimpel, 2016): exact, with the error function."""

    function = "gelu"
    formula = "0.5 * x * erfc(-0.7071067811865476 * x)"
    keeps_input = True

    # ---- in other formats ----

    def to_onnx(self, graph: Any) -> None:
        if graph.opset >= 20:
            graph.add("Gelu")
            return
        x = graph.output
        graph.add("Mul", graph.constant("scale", math.sqrt(0.5)))
        graph.add("Erf")
        graph.add("Add", graph.constant("one", 1))
        graph.add("Mul", x)
        graph.add("Mul", graph.constant("half", 0.5))

    def to_torch(self, modules: Any) -> None:
        modules.add("GELU")


@numpy_operation
def silu_forward(x: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # -inf times 0
        y: np.ndarray = x * sigmoid_forward(x)
    return y


@numpy_operation
def silu_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    s = sigmoid_forward(x)
    with np.errstate(invalid="ignore"):
        dx: np.ndarray = dy * (s + x * s * sigmoid_forward(-x))
    return dx


@register
class SiLU(Elementwise):
    """x / (1 + exp(-x)), elementwise, also called swish (Elfwing, Uchibe and Doya, 2018)."""

    function = "silu"
    formula = "x / (1 + exp(-x))"
    keeps_input = True

    # ---- in other formats ----

    def to_onnx(self, graph: Any) -> None:
        x = graph.output
        graph.add("Sigmoid")
        graph.add("Mul", x)

    def to_torch(self, modules: Any) -> None:
        modules.add("SiLU")


@numpy_operation
def softplus_forward(x: np.ndarray) -> np.ndarray:
    y: np.ndarray = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return y


@numpy_operation
def softplus_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    dx: np.ndarray = dy * sigmoid_forward(x)
    return dx


@register
class Softplus(Elementwise):
    """log(1 + exp(x)), elementwise: a smooth ReLU (Dugas et al., 2001)."""

    function = "softplus"
    formula = "(x > 0 ? x : 0) + log1p(exp(-abs(x)))"
    keeps_input = True

    # ---- in other formats ----

    def to_onnx(self, graph: Any) -> None:
        graph.add("Softplus")

    def to_torch(self, modules: Any) -> None:
        modules.add("Softplus", threshold=40.0)  # beyond, the logarithm changes no digit; 20 is for float32
