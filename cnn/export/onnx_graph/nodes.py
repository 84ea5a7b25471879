"""What each operation of ONNX is as a layer here: a function for each, from its node to the tensor that it gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...layers.activation import GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from ...layers.pooling import AvgPool2D, GlobalAvgPool2D, GlobalMaxPool2D, MaxPool2D
from ..chain import arithmetic, layers, moments, shapes
from ..chain.tensor import ERF, LARGE, SOFTMAX, Tensor
from .node import Node

Reader = Callable[[Node], Tensor]
NODES: dict[str, Reader] = {}


def _reads(*operations: str) -> Callable[[Reader], Reader]:
    def add(reader: Reader) -> Reader:
        NODES.update(dict.fromkeys(operations, reader))
        return reader

    return add


# ---- layers with parameters ----------------------------------------------------------------------------------


@_reads("Conv")
def _conv(node: Node) -> Tensor:
    weights = node.constant(1)
    _refuse_other_axes(weights.ndim)
    size, stride, dilation = weights.shape[2:], node.get("strides", (1, 1)), node.get("dilations", (1, 1))
    node.expect("kernel_shape", size)
    extent = tuple((k - 1) * apart + 1 for k, apart in zip(size, dilation, strict=True))
    sides = _sides(node, extent, stride)
    return layers.convolution(node.x, weights, node.optional(2), stride, sides, dilation, node.get("group", 1))


def _refuse_other_axes(axes: int) -> None:
    if axes != 4:
        raise ValueError(f"a convolution or pooling must be of maps (n, channels, height, width), got {axes} axes")


def _sides(node: Node, extent: tuple[int, ...], stride: tuple[int, ...]) -> layers.Sides:
    """The padding before and after, for windows that extend over so many rows and columns."""
    kind = node.get("auto_pad", b"NOTSET").decode()
    top, left, bottom, right = node.get("pads", (0, 0, 0, 0))
    if kind in ("NOTSET", "VALID"):
        return (top, bottom), (left, right)
    totals = [
        max((-(-n // step) - 1) * step + k - n, 0) for n, k, step in zip(node.x.shape[:2], extent, stride, strict=True)
    ]
    smaller, larger = [total // 2 for total in totals], [total - total // 2 for total in totals]
    before, after = (smaller, larger) if kind == "SAME_UPPER" else (larger, smaller)
    return (before[0], after[0]), (before[1], after[1])


@_reads("Gemm")
def _gemm(node: Node) -> Tensor:
    for name, expected in (("alpha", 1.0), ("beta", 1.0), ("transA", 0)):
        node.expect(name, expected)
    weights, bias = node.constant(1), node.optional(2)
    weights = weights.T if node.get("transB", 0) else weights
    return layers.dense(node.x, weights, None if bias is None else _row(bias, weights.shape[1]))


def _row(bias: np.ndarray, units: int) -> np.ndarray:
    if bias.size not in (1, units):
        raise ValueError(f"a bias must have one number or {units}, got shape {bias.shape}")
    return np.broadcast_to(bias.ravel(), (units,))


@_reads("MatMul")
def _matmul(node: Node) -> Tensor:
    return layers.dense(node.x, node.constant(1), None)


@_reads("BatchNormalization")
def _batch_normalization(node: Node) -> Tensor:
    node.expect("training_mode", 0)
    node.expect("spatial", 1)
    names = ("gamma", "beta", "mean", "variance")
    learned = {name: node.constant(i) for i, name in enumerate(names, 1)}
    return layers.batch_norm(node.x, learned, node.get("momentum", 0.9), node.get("epsilon", 1e-5))


@_reads("LayerNormalization")
def _layer_normalization(node: Node) -> Tensor:
    x, axis, gamma = node.x, node.get("axis", -1), node.constant(1)
    axes = len(x.axes) + 1
    beta = node.optional(2)
    sizes = x.sizes[(axis % axes) - 1 :] if axis % axes else (0,)
    return layers.layer_norm(x, sizes, gamma, np.zeros_like(gamma) if beta is None else beta, node.get("epsilon", 1e-5))


# ---- poolings ------------------------------------------------------------------------------------------------


@_reads("MaxPool", "AveragePool")
def _pool(node: Node) -> Tensor:
    size = node.get("kernel_shape")
    _refuse_other_axes(len(size) + 2)
    stride = node.get("strides", (1, 1))
    windows = layers.Pooling(
        size,
        stride,
        _sides(node, size, stride),
        bool(node.get("ceil_mode", 0)),
        bool(node.get("count_include_pad", 0)),
        node.get("dilations", (1, 1)),
    )
    return layers.pool(node.x, MaxPool2D if node.operation == "MaxPool" else AvgPool2D, windows)


@_reads("GlobalMaxPool")
def _global_max(node: Node) -> Tensor:
    shapes.channels_first(node.x)
    return layers.pool_whole(node.x, GlobalMaxPool2D, keeps_axes=True)


@_reads("GlobalAveragePool")
def _global_mean(node: Node) -> Tensor:
    shapes.channels_first(node.x)
    return layers.pool_whole(node.x, GlobalAvgPool2D, keeps_axes=True)


@_reads("ReduceMean", "ReduceMax")
def _reduce(node: Node) -> Tensor:
    x, axes = node.x, node.integers("axes", 1)
    reduced = {x.axes[axis % (len(x.axes) + 1) - 1] for axis in axes or () if axis % (len(x.axes) + 1)}
    if node.operation == "ReduceMean" and reduced == {len(x.shape) - 1} and node.get("keepdims", 1):
        return moments.mean_of_channels(x)
    if len(x.shape) != 3 or reduced != {0, 1} or len(axes or ()) != 2:
        raise ValueError(f"it must reduce the height and width of maps, got axes {axes} of {x.sizes}")
    kind = GlobalAvgPool2D if node.operation == "ReduceMean" else GlobalMaxPool2D
    return layers.pool_whole(x, kind, bool(node.get("keepdims", 1)))


# ---- activations ---------------------------------------------------------------------------------------------

_LINEAR = 20.0  # above it, a Softplus in float32 is x

_ACTIVATIONS = {"Relu": ReLU, "Sigmoid": Sigmoid, "Softplus": Softplus, "Swish": SiLU, "Tanh": Tanh}


@_reads(*_ACTIVATIONS)
def _activation(node: Node) -> Tensor:
    node.expect("alpha", 1.0)  # of Swish
    return layers.activation(node.x, _ACTIVATIONS[node.operation]())


@_reads("Greater")
def _greater(node: Node) -> Tensor:
    """The first half of PyTorch's Softplus, which is x itself where x is large."""
    limit = node.constant(1)
    if limit.size != 1 or limit.ravel()[0] < _LINEAR:
        raise ValueError(f"it must compare with a number of at least {_LINEAR:g}, for a Softplus")
    return node.x.part(LARGE)


@_reads("Where")
def _where(node: Node) -> Tensor:
    is_large, x, y = (node.tensor(i) for i in range(3))
    steps = is_large.step, y.step
    if is_large.step.detail != LARGE or not isinstance(y.step.layer, Softplus):
        raise ValueError("it must choose between x, where that is large, and the Softplus of x")
    if any(step.below is not x.step for step in steps):
        raise ValueError("it must choose between x and its Softplus")
    return y


@_reads("LeakyRelu")
def _leaky_relu(node: Node) -> Tensor:
    return layers.activation(node.x, LeakyReLU(node.get("alpha", 0.01)))


@_reads("Gelu")
def _gelu(node: Node) -> Tensor:
    node.expect("approximate", b"none")
    return layers.activation(node.x, GELU())


@_reads("Erf")
def _erf(node: Node) -> Tensor:
    return node.x.part(ERF)


@_reads("Softmax", "LogSoftmax")
def _softmax(node: Node) -> Tensor:
    if len(node.x.shape) != 1 or node.get("axis", -1) not in (1, -1):
        raise ValueError("it must be of rows, along their numbers")
    return node.x.part(SOFTMAX)


# ---- arithmetic ----------------------------------------------------------------------------------------------


def _parts(node: Node) -> tuple[Tensor, Any]:
    """Images, and what they are added to or multiplied with: other images or a constant."""
    a, b = node.values
    first, other = (0, b) if isinstance(a, Tensor) else (1, a)
    return node.tensor(first), other


@_reads("Add")
def _add(node: Node) -> Tensor:
    x, other = _parts(node)
    return arithmetic.add(x, other) if isinstance(other, Tensor) else arithmetic.add_constant(x, other)


@_reads("Mul")
def _mul(node: Node) -> Tensor:
    x, other = _parts(node)
    return arithmetic.multiply(x, other) if isinstance(other, Tensor) else arithmetic.multiply_constant(x, other)


@_reads("Sub")
def _sub(node: Node) -> Tensor:
    x, other = _parts(node)
    if isinstance(other, Tensor):
        return arithmetic.subtract(x, other)
    if isinstance(node.values[0], Tensor):
        return arithmetic.add_constant(x, -other)
    return arithmetic.add_constant(arithmetic.negative(x), other)


@_reads("Div")
def _div(node: Node) -> Tensor:
    if len(node.values) == 2 and all(isinstance(value, Tensor) for value in node.values):
        return arithmetic.divide(node.x, node.tensor(1))
    with np.errstate(divide="ignore"):
        return arithmetic.multiply_constant(node.x, 1 / node.constant(1))


@_reads("Neg")
def _neg(node: Node) -> Tensor:
    return arithmetic.negative(node.x)


_OF_MOMENTS = {"Reciprocal": moments.reciprocal, "Sqrt": moments.root}


@_reads(*_OF_MOMENTS)
def _of_moments(node: Node) -> Tensor:
    return arithmetic.of_moments(_OF_MOMENTS[node.operation](node.x))


@_reads("Pow")
def _pow(node: Node) -> Tensor:
    exponent = node.constant(1)
    return arithmetic.of_moments(moments.square(node.x) if (exponent == 2).all() else None)


# ---- shapes --------------------------------------------------------------------------------------------------


@_reads("Identity", "Cast")
def _identity(node: Node) -> Tensor:
    return node.x


@_reads("Dropout")
def _dropout(node: Node) -> Tensor:
    """In a prediction it does nothing; trained on, the net drops as much."""
    ratio = node.optional(1)
    return layers.dropout(node.x, node.get("ratio", 0.5) if ratio is None else arithmetic.number(ratio.ravel()[0]))


@_reads("Transpose")
def _transpose(node: Node) -> Tensor:
    return shapes.transpose(node.x, node.get("perm", tuple(reversed(range(len(node.x.axes) + 1)))))


@_reads("Flatten")
def _flatten(node: Node) -> Tensor:
    node.expect("axis", 1)
    return shapes.flatten(node.x)


@_reads("Squeeze")
def _squeeze(node: Node) -> Tensor:
    x, axes = node.x, node.integers("axes", 1)
    count = len(x.axes) + 1
    removed = {i for i, size in enumerate(x.sizes, 1) if size == 1} if axes is None else {axis % count for axis in axes}
    return shapes.reshape(x, [size for i, size in enumerate(x.sizes, 1) if i not in removed])


@_reads("Unsqueeze")
def _unsqueeze(node: Node) -> Tensor:
    sizes, axes = list(node.x.sizes), node.integers("axes", 1) or ()
    count = len(sizes) + 1 + len(axes)
    for axis in sorted(axis % count for axis in axes):
        if not axis:
            raise ValueError("the batch must stay the first axis")
        sizes.insert(axis - 1, 1)
    return shapes.reshape(node.x, sizes)


@_reads("Pad")
def _pad(node: Node) -> Tensor:
    x, pads, value = node.x, node.integers("pads", 1), node.optional(2)
    node.expect("mode", b"constant")
    if node.get("value", 0.0) or (value is not None and value.any()) or node.optional(3) is not None:
        raise ValueError("it must put zeros around maps")
    if pads is None or len(pads) != 8 or any(pads[i] for i in (0, 1, 4, 5)) or min(pads) < 0:
        raise ValueError(f"it must put zeros around maps (n, channels, height, width), got pads {pads}")
    return layers.zeros(x, ((pads[2], pads[6]), (pads[3], pads[7])))
