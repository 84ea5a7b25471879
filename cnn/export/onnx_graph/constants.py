"""Constants of an ONNX graph: those that it holds, and what nodes compute of constants alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .package import onnx_package

ANY_BATCH = 2**61 - 1  # stands for a batch of any size in shapes that nodes compute; no file has so many images
_BROADCAST = frozenset(["Add", "Div", "Mul", "Sub"])
_OF_SHAPES = frozenset(["Concat", "ConstantOfShape", "Gather", "ReduceProd", "Shape", "Slice", "Squeeze", "Unsqueeze"])
FOLDED = _BROADCAST | _OF_SHAPES | {"Cast", "Identity", "Neg", "Reciprocal", "Reshape", "Sqrt", "Transpose"}
_MOST_ELEMENTS = 1 << 26  # that are computed for a graph


class Folding:
    """Computes nodes of which all inputs are constants, until a bound on the memory."""

    def __init__(self, opset: int) -> None:
        self._opset = opset
        self._left = _MOST_ELEMENTS

    def __call__(self, node: Any, values: Sequence[np.ndarray | None]) -> np.ndarray:
        """The first output of a node with these inputs, by the reference of the package onnx."""
        package = onnx_package()
        from onnx.reference import ReferenceEvaluator

        given = [value for value in values if value is not None]
        self._left -= _most(node.op_type, given)
        if self._left < 0:
            raise ValueError(f"its constants must have at most {_MOST_ELEMENTS:,} numbers")
        helper = package.helper
        inputs = {name: value for name, value in zip(node.input, values, strict=True) if value is not None}
        graph = helper.make_graph(
            [node],
            "constants",
            [helper.make_tensor_value_info(name, _kind(value), value.shape) for name, value in inputs.items()],
            [helper.make_value_info(node.output[0], package.TypeProto())],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self._opset)])
        try:
            (result, *_) = ReferenceEvaluator(model).run(None, inputs)
        except Exception as error:  # whatever the reference says of constants that do not fit
            raise ValueError(f"its constants cannot be computed: {error}") from error
        return np.asarray(result)


def _most(operation: str, values: Sequence[np.ndarray]) -> int:
    """A bound on the numbers that an operation gives."""
    if operation in _BROADCAST:
        return math.prod(np.broadcast_shapes(*(value.shape for value in values)))
    if operation == "ConstantOfShape":
        return math.prod(max(int(size), 0) for size in values[0].ravel())
    sizes = [value.size for value in values]
    return math.prod(sizes) if operation == "Gather" else sum(sizes)


def _kind(value: np.ndarray) -> int:
    kind: int = onnx_package().helper.np_dtype_to_tensor_dtype(value.dtype)
    return kind
