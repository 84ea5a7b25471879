"""Convolutions, dense layers, normalisations and poolings, with the arguments of `torch.nn.functional`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ....layers.pooling import AvgPool2D, GlobalAvgPool2D, GlobalMaxPool2D, MaxPool2D
from ...chain import layers, moments, shapes
from ...chain.tensor import Tensor


def _pair(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[-1]))


def conv2d(
    x: Tensor,
    weight: np.ndarray,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    apart, sides = _pair(dilation), []
    for axis, k in enumerate(weight.shape[2:]):
        total = (k - 1) * apart[axis] if padding == "same" else 0
        before = total // 2 if isinstance(padding, str) else _pair(padding)[axis]
        sides.append((before, total - before if isinstance(padding, str) else before))
    if len(sides) != 2:
        raise ValueError(f"a convolution must be of maps, got weights of shape {tuple(weight.shape)}")
    return layers.convolution(x, weight, bias, _pair(stride), (sides[0], sides[1]), apart, groups)


def linear(x: Tensor, weight: np.ndarray, bias: Any = None) -> Tensor:
    return layers.dense(x, weight.T, bias)


def layer_norm(x: Tensor, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    sizes = tuple(normalized_shape)
    gamma = np.ones(sizes, np.float32) if weight is None else weight
    return layers.layer_norm(x, sizes, gamma, np.zeros_like(gamma) if bias is None else bias, eps)


# ---- poolings ----


def max_pool2d(
    x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:  # fmt: skip
    if return_indices:
        raise ValueError("return_indices must be False")
    sides = tuple((p, p) for p in _pair(padding))
    size = _pair(kernel_size)
    windows = layers.Pooling(size, _pair(stride or size), (sides[0], sides[1]), ceil_mode, dilation=_pair(dilation))
    return layers.pool(x, MaxPool2D, windows)


def avg_pool2d(
    x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: Any = None,
) -> Tensor:  # fmt: skip
    if divisor_override is not None:
        raise ValueError("divisor_override must be None")
    sides = tuple((p, p) for p in _pair(padding))
    size = _pair(kernel_size)
    windows = layers.Pooling(size, _pair(stride or size), (sides[0], sides[1]), ceil_mode, count_include_pad)
    return layers.pool(x, AvgPool2D, windows)


def adaptive_avg_pool2d(x: Tensor, output_size: Any) -> Tensor:
    return _adaptive(x, output_size, AvgPool2D, GlobalAvgPool2D)


def adaptive_max_pool2d(x: Tensor, output_size: Any, return_indices: bool = False) -> Tensor:
    if return_indices:
        raise ValueError("return_indices must be False")
    return _adaptive(x, output_size, MaxPool2D, GlobalMaxPool2D)


def _adaptive(x: Tensor, output_size: Any, kind: type[Any], whole: type[Any]) -> Tensor:
    """Of whole maps, or in windows that touch and are equally large."""
    shapes.channels_first(x)
    (h, w, *_), (oh, ow) = x.shape, _pair(output_size)
    if (oh, ow) == (1, 1):
        return layers.pool_whole(x, whole, keeps_axes=True)
    if h % oh or w % ow:
        raise ValueError(f"output_size must divide the map's {(h, w)}, got {output_size}")
    return layers.pool(x, kind, layers.Pooling((h // oh, w // ow), (h // oh, w // ow)))


def mean(x: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    channels = [i for i, axis in enumerate(x.axes, 1) if axis == len(x.shape) - 1]
    given = [dim] if isinstance(dim, int) else list(dim or ())
    if keepdim and [axis % (len(x.axes) + 1) for axis in given] == channels:
        return moments.mean_of_channels(x)
    return _reduced(x, dim, keepdim, GlobalAvgPool2D)


def amax(x: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    return _reduced(x, dim, keepdim, GlobalMaxPool2D)


def _reduced(x: Tensor, dim: Any, keepdim: bool, whole: type[Any]) -> Tensor:
    axes = {axis % (len(x.axes) + 1) for axis in (dim if isinstance(dim, Sequence) else ())}
    if len(x.shape) != 3 or {x.axes[axis - 1] for axis in axes if axis} != {0, 1} or len(axes) != 2:
        raise ValueError(f"it must reduce the height and width of maps, got dim={dim} of {x.sizes}")
    return layers.pool_whole(x, whole, keepdim)
