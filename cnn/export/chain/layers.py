"""Layers with parameters, poolings and others, from the sizes by which other programs describe them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...backends import geometry
from ...layers.activation import Elementwise
from ...layers.base import Layer
from ...layers.batchnorm import BatchNorm
from ...layers.convolution import Conv2D, DepthwiseConv2D
from ...layers.dense import Dense
from ...layers.dropout import Dropout
from ...layers.layernorm import LayerNorm
from ...layers.pooling import AvgPool2D, GlobalAvgPool2D, GlobalMaxPool2D, MaxPool2D
from .shapes import channels_first, flatten
from .tensor import Tensor

Pair = tuple[int, int]
Sides = tuple[Pair, Pair]  # before and after, of the rows and of the columns


class Zeros(NamedTuple):
    """Zeros around a map, which the next convolution has as its padding."""

    sides: Sides

    def __str__(self) -> str:
        return "a map with zeros around it"


def zeros(x: Tensor, sides: Sides) -> Tensor:
    """Zeros around a map."""
    channels_first(x)
    return x.part(Zeros(sides)) if any(map(any, sides)) else x


def convolution(
    x: Tensor, weights: np.ndarray, bias: np.ndarray | None, stride: Pair, sides: Sides, dilation: Pair, groups: int
) -> Tensor:
    """A convolution, with weights (c_out, c_in // groups, kh, kw)."""
    channels_first(x)
    if weights.ndim != 4:
        raise ValueError(f"a convolution must have weights (filters, channels, height, width), got {weights.shape}")
    if isinstance(x.step.detail, Zeros) and x.step.below is not None:
        (top, bottom), (left, right) = x.step.detail.sides
        (a, b), (c, d) = sides
        x, sides = x._replace(step=x.step.below), ((top + a, bottom + b), (left + c, right + d))
    size, channels, filters = weights.shape[2:], x.shape[2], weights.shape[0]
    options: dict[str, Any] = {"stride": stride, "dilation": dilation, "bias": bias is not None}
    options["padding"] = _padding(x.shape, size, stride, sides, dilation)
    layer: Layer
    if groups == channels > 1 and filters % channels == 0:
        layer = DepthwiseConv2D(size, multiplier=filters // channels, **options)
    else:
        layer = Conv2D(filters, size, groups=groups, **options)
    learned = {"weights": weights.transpose(2, 3, 1, 0)} | ({} if bias is None else {"bias": bias})
    if weights.shape[1] * groups != channels:
        raise ValueError(f"weights of shape {weights.shape} take {weights.shape[1] * groups} channels, got {channels}")
    return x.then(layer, learned)


def _padding(shape: tuple[int, ...], size: Pair, stride: Pair, sides: Sides, dilation: Pair) -> Any:
    """The `padding` of a convolution here that puts the kernel on the same pixels; ValueError where there is none."""
    wanted = [
        (before, (n + before + after - (k - 1) * apart - 1) // step + 1)
        for n, k, step, apart, (before, after) in zip(shape, size, stride, dilation, sides, strict=False)
    ]
    before = sides[0][0], sides[1][0]
    for padding in (before if any(before) else "valid", "same"):
        try:
            g = geometry.conv2d((*shape[:2], 1), (*size, 1, 1), stride, padding, dilation)
        except ValueError:
            continue  # the kernel is larger than the map with these zeros
        if [(g.ph, g.oh), (g.pw, g.ow)] == wanted:
            return padding
    raise ValueError(f"padding must be as large on both sides, or as that of Keras' 'same', got {sides}")


def dense(x: Tensor, weights: np.ndarray, bias: np.ndarray | None) -> Tensor:
    """A dense layer, with weights (inputs, units)."""
    if len(x.shape) != 1:
        raise ValueError(f"it multiplies maps of shape {x.shape}, where a dense layer takes rows")
    if weights.ndim != 2 or weights.shape[0] != x.shape[0]:
        raise ValueError(f"weights must have shape ({x.shape[0]}, units), got {weights.shape}")
    layer = Dense(weights.shape[1], bias=bias is not None)
    learned = {"weights": in_places(x, weights)} | ({} if bias is None else {"bias": bias})
    return x.then(layer, learned)._replace(order=None)


def in_places(x: Tensor, values: np.ndarray) -> np.ndarray:
    """Values of each number of the tensor's rows, or of each channel, in the order that the net has them."""
    if x.order is None:
        return values
    result = np.empty_like(values)
    result[x.order] = values
    return result


class Pooling(NamedTuple):
    """What a pooling's windows are."""

    size: Pair
    stride: Pair
    sides: Sides = ((0, 0), (0, 0))
    ceil: bool = False  # whether a window may reach over the end
    counts_padding: bool = False  # in a mean
    dilation: Pair = (1, 1)


def pool(x: Tensor, kind: type[MaxPool2D | AvgPool2D], windows: Pooling) -> Tensor:
    """A pooling of maps."""
    channels_first(x)
    before = windows.sides[0][0], windows.sides[1][0]
    if windows.dilation != (1, 1):
        raise ValueError(f"a pooling must have no dilation, got {windows.dilation}")
    if kind is AvgPool2D and windows.counts_padding and any(map(any, windows.sides)):
        raise ValueError("a mean must not count the zeros of its padding (count_include_pad)")
    layer = kind(windows.size, stride=windows.stride, padding=before)
    g = layer.infer_geometry(x.shape)
    if [g.oh, g.ow] != _counts(x, windows):
        raise ValueError(
            f"windows must not reach over the end: padding {windows.sides}, ceil_mode {windows.ceil} of {x.shape}"
        )
    return x.then(layer)


def _counts(x: Tensor, windows: Pooling) -> list[int]:
    """How many windows there are in a column and in a row."""
    counts = []
    for n, k, step, (before, after) in zip(x.shape, windows.size, windows.stride, windows.sides, strict=False):
        left = n + before + after - k
        count = (-(-left // step) if windows.ceil else left // step) + 1
        counts.append(count - 1 if windows.ceil and (count - 1) * step >= n + before else count)
    return counts


_WHOLE = {GlobalAvgPool2D: AvgPool2D, GlobalMaxPool2D: MaxPool2D}


def pool_whole(x: Tensor, kind: type[GlobalAvgPool2D | GlobalMaxPool2D], keeps_axes: bool) -> Tensor:
    """A pooling of whole maps: to maps of one pixel, which become rows when they are flattened; or to rows."""
    if len(x.shape) != 3:
        raise ValueError(f"it pools images of shape {x.shape}, where maps (h, w, c) are pooled")
    pooled = x.then(_WHOLE[kind](x.shape[:2]), detail=kind)
    return pooled if keeps_axes else flatten(pooled)


def activation(x: Tensor, layer: Elementwise) -> Tensor:
    return x.then(layer)


def dropout(x: Tensor, rate: float) -> Tensor:
    return x.then(Dropout(rate))


def batch_norm(x: Tensor, learned: dict[str, np.ndarray], momentum: float, epsilon: float) -> Tensor:
    """A normalisation with gamma, beta, mean and variance of each channel, or of each number of a row."""
    channels_first(x)
    channels = x.shape[-1]
    for name, value in learned.items():
        if value.shape != (channels,):
            raise ValueError(f"{name} of a normalisation must have shape ({channels},), got {value.shape}")
    layer = BatchNorm(momentum=momentum, epsilon=epsilon)
    return x.then(layer, {name: in_places(x, value) for name, value in learned.items()})


def layer_norm(x: Tensor, sizes: tuple[int, ...], gamma: np.ndarray, beta: np.ndarray, epsilon: float) -> Tensor:
    """A normalisation along the last axes of a tensor, which have these sizes."""
    last = len(x.shape) - 1
    if x.axes[-1] != last or sizes != x.shape[-1:] or gamma.shape != sizes or beta.shape != sizes:
        raise ValueError(f"a LayerNorm must be along the channels alone, got {sizes} of {x.sizes}")
    return x.then(LayerNorm(epsilon), {"gamma": in_places(x, gamma), "beta": in_places(x, beta)})
