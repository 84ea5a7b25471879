"""Layers with parameters, and poolings."""

from __future__ import annotations

import math

import numpy as np

from ....layers.pooling import AvgPool2D, GlobalAvgPool2D, GlobalMaxPool2D, MaxPool2D
from ...chain import layers, moments, shapes
from ...chain.tensor import Tensor
from ..node import Node
from .table import reads


@reads("Conv")
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


@reads("Gemm")
def _gemm(node: Node) -> Tensor:
    for name, expected in (("alpha", 1.0), ("beta", 1.0), ("transA", 0)):
        node.expect(name, expected)
    weights, bias = node.constant(1), node.optional(2)
    weights = weights.T if node.get("transB", 0) else weights
    return layers.dense(node.x, weights, None if bias is None else _row(bias, weights.shape[1]))


def _row(bias: np.ndarray, units: int) -> np.ndarray:
    if bias.size not in (1, units) or bias.size != math.prod(bias.shape[-1:]):
        raise ValueError(f"a bias must have one number or {units}, got shape {bias.shape}")
    return np.broadcast_to(bias.ravel(), (units,))


@reads("MatMul")
def _matmul(node: Node) -> Tensor:
    return layers.dense(node.x, node.constant(1), None)


@reads("BatchNormalization")
def _batch_normalization(node: Node) -> Tensor:
    node.expect("training_mode", 0)
    node.expect("spatial", 1)
    names = ("gamma", "beta", "mean", "variance")
    learned = {name: node.constant(i) for i, name in enumerate(names, 1)}
    return layers.batch_norm(node.x, learned, node.get("momentum", 0.9), node.get("epsilon", 1e-5))


@reads("LayerNormalization")
def _layer_normalization(node: Node) -> Tensor:
    x, axis, gamma = node.x, node.get("axis", -1), node.constant(1)
    axes = len(x.axes) + 1
    beta = node.optional(2)
    sizes = x.sizes[(axis % axes) - 1 :] if axis % axes else (0,)
    return layers.layer_norm(x, sizes, gamma, np.zeros_like(gamma) if beta is None else beta, node.get("epsilon", 1e-5))


# ---- poolings ----


@reads("MaxPool", "AveragePool")
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


@reads("GlobalMaxPool")
def _global_max(node: Node) -> Tensor:
    shapes.channels_first(node.x)
    return layers.pool_whole(node.x, GlobalMaxPool2D, keeps_axes=True)


@reads("GlobalAveragePool")
def _global_mean(node: Node) -> Tensor:
    shapes.channels_first(node.x)
    return layers.pool_whole(node.x, GlobalAvgPool2D, keeps_axes=True)


@reads("ReduceMean", "ReduceMax")
def _reduce(node: Node) -> Tensor:
    x, axes = node.x, node.integers("axes", 1)
    reduced = {x.axes[axis % (len(x.axes) + 1) - 1] for axis in axes or () if axis % (len(x.axes) + 1)}
    of_channels = reduced == {len(x.shape) - 1} and len(axes or ()) == 1
    if node.operation == "ReduceMean" and of_channels and node.get("keepdims", 1):
        return moments.mean_of_channels(x)
    if len(x.shape) != 3 or reduced != {0, 1} or len(axes or ()) != 2:
        raise ValueError(f"it must reduce the height and width of maps, got axes {axes} of {x.sizes}")
    kind = GlobalAvgPool2D if node.operation == "ReduceMean" else GlobalMaxPool2D
    return layers.pool_whole(x, kind, bool(node.get("keepdims", 1)))
