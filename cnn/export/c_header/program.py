"""`Program`: a net as a flat list of operations on tensors. Layers write themselves into it by their `to_c`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from ...backends.geometry import ConvGeometry, PoolGeometry
from ...layers.base import Layer, layer_names
from ..formulas import in_c
from ..layers import method_of
from .source import number

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Function = Callable[[np.ndarray], np.ndarray]


@dataclass(eq=False)
class Tensor:
    """So many numbers of one image, written once."""

    size: int


@dataclass(eq=False)
class Operation:
    """What is computed for one image; `name` is the layer's."""

    name: str
    inputs: tuple[Tensor, ...]
    output: Tensor

    @property
    def in_place(self) -> bool:
        """Whether the output may lie where an input of its size does: each number is read before it is written."""
        return False


@dataclass(eq=False)
class Affine(Operation):
    """slope * x + shift, of the channels (c,), float64. None is left once a program is folded."""

    shape: tuple[int, ...]
    slope: np.ndarray
    shift: np.ndarray


@dataclass(eq=False)
class Convolution(Operation):
    """Weights (kh, kw, c_in // groups, c_out) and bias (c_out,), float64."""

    geometry: ConvGeometry
    weights: np.ndarray
    bias: np.ndarray

    @property
    def in_place(self) -> bool:
        g = self.geometry
        return g.input_shape == g.output_shape and g.kernel_shape == (1, 1, 1, g.c_out) and g.sh == g.sw == 1


@dataclass(eq=False)
class Dense(Operation):
    """Weights (inputs, units) and bias (units,), float64."""

    weights: np.ndarray
    bias: np.ndarray


@dataclass(eq=False)
class MaxPool(Operation):
    geometry: PoolGeometry


@dataclass(eq=False)
class AvgPool(Operation):
    """Mean of the part of each window that lies in the input."""

    geometry: PoolGeometry


@dataclass(eq=False)
class Elementwise(Operation):
    """A function of each number: a C expression of the float x, and the same in NumPy."""

    expression: str
    function: Function

    @property
    def in_place(self) -> bool:
        return True


@dataclass(eq=False)
class ReLU(Elementwise):
    """The one function that needs no table in integers."""


@dataclass(eq=False)
class LayerNorm(Operation):
    """Over the channels of each position; gamma and beta (c,), float64."""

    gamma: np.ndarray
    beta: np.ndarray
    epsilon: float

    @property
    def in_place(self) -> bool:
        return True


@dataclass(eq=False)
class Add(Operation):
    """The sum of two tensors."""

    @property
    def in_place(self) -> bool:
        return True


class Program:
    """Operations in the order in which they are run; what a layer's `to_c` is given.

    A layer calls the methods whose operations it consists of, one after the other: each takes the output of the last
    one. A layer that does nothing in a prediction calls none. A map is (h, w, c), and a row its numbers in that order.

    Attributes
    ----------
    operations : list of Operation
    image : Tensor
        The input.
    here : Tensor
        The output of the last operation.
    """

    def __init__(self, input_size: int) -> None:
        self.operations: list[Operation] = []
        self.image = self.here = Tensor(input_size)
        self._name = "input"

    def write(self, layers: Sequence[Layer]) -> None:
        """Layers one after the other; ValueError for one that cannot be written in C."""
        for name, layer in zip(layer_names(layers), layers, strict=True):
            self._write(layer, name)

    def _write(self, layer: Layer, name: str) -> None:
        write, self._name = method_of(layer, name, "to_c", "C"), name
        write(self)

    def convolution(self, geometry: ConvGeometry, weights: np.ndarray, bias: np.ndarray | None) -> None:
        """A convolution; weights (kh, kw, c_in // groups, c_out)."""
        kept = _wide(weights), _wide(np.zeros(geometry.c_out) if bias is None else bias)
        self._append(Convolution(*self._next(geometry.output_shape), geometry, *kept))

    def dense(self, weights: np.ndarray, bias: np.ndarray | None) -> None:
        """x @ weights + bias; weights (inputs, units)."""
        units = weights.shape[1]
        self._append(Dense(*self._next((units,)), _wide(weights), _wide(np.zeros(units) if bias is None else bias)))

    def affine(self, shape: tuple[int, ...], slope: ArrayLike, shift: ArrayLike) -> None:
        """slope * x + shift for each channel of a map or row of this shape; becomes part of weights where it can."""
        channels = shape[-1:]
        kept = (np.broadcast_to(_wide(each), channels) for each in (slope, shift))
        self._append(Affine(*self._next(shape), shape, *kept))

    def max_pool(self, geometry: PoolGeometry) -> None:
        """The maximum of every window."""
        self._append(MaxPool(*self._next(geometry.output_shape), geometry))

    def avg_pool(self, geometry: PoolGeometry) -> None:
        """The mean of every window."""
        self._append(AvgPool(*self._next(geometry.output_shape), geometry))

    def relu(self, formula: str, function: Function) -> None:
        """max(x, 0), as `elementwise` takes it."""
        self._append(ReLU(*self._next((self.here.size,)), in_c(formula, {}, number), function))

    def elementwise(self, formula: str, constants: Mapping[str, float], function: Function) -> None:
        """A function of each number: a formula of x and the constants, and the same of an array in NumPy."""
        self._append(Elementwise(*self._next((self.here.size,)), in_c(formula, constants, number), function))

    def layer_norm(self, gamma: np.ndarray, beta: np.ndarray, epsilon: float) -> None:
        """The channels of every position with mean 0 and variance 1, times gamma plus beta."""
        self._append(LayerNorm(*self._next((self.here.size,)), _wide(gamma), _wide(beta), epsilon))

    def add(self, branch: Sequence[Layer], shortcut: Sequence[Layer]) -> None:
        """The sum of what two chains of layers make of the same input; no layers stand for the input itself."""
        name, start, ends = self._name, self.here, []
        parts = zip((*branch, *shortcut), layer_names((*branch, *shortcut)), strict=True)
        for count in (len(branch), len(shortcut)):
            self.here = start
            for layer, part in islice(parts, count):
                self._write(layer, f"{name}.{part}")
            ends.append(self.here)
        self._append(Add(name, (ends[0], ends[1]), Tensor(ends[0].size)))

    def _next(self, shape: tuple[int, ...]) -> tuple[str, tuple[Tensor, ...], Tensor]:
        """Name, inputs and output of the operation that follows."""
        return self._name, (self.here,), Tensor(int(np.prod(shape)))

    def _append(self, operation: Operation) -> None:
        self.operations.append(operation)
        self.here = operation.output


def consumers(operations: Iterable[Operation]) -> Counter[Tensor]:
    """How often each tensor is read."""
    return Counter(tensor for operation in operations for tensor in operation.inputs)


def _wide(array: ArrayLike) -> np.ndarray:
    return np.asarray(array, np.float64)
