"""What each function and method of PyTorch is as a layer here: the same arguments, a `Tensor` in place of a tensor."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from ...layers.activation import GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from ...layers.pooling import AvgPool2D, GlobalAvgPool2D, GlobalMaxPool2D, MaxPool2D
from ..chain import arithmetic, layers, moments, shapes
from ..chain.tensor import ERF, SOFTMAX, Tensor

ANY_BATCH = 2**61 - 1  # the images of a batch, in shapes that a module computes
_LINEAR = 20.0  # above this, PyTorch's Softplus is linear, which in float32 it is there


def _pair(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[-1]))


# ---- layers with parameters ----------------------------------------------------------------------------------


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


# ---- poolings ------------------------------------------------------------------------------------------------


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


# ---- activations ---------------------------------------------------------------------------------------------


def relu(x: Tensor, inplace: bool = False) -> Tensor:
    return layers.activation(x, ReLU())


def leaky_relu(x: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    return layers.activation(x, LeakyReLU(negative_slope))


def sigmoid(x: Tensor) -> Tensor:
    return layers.activation(x, Sigmoid())


def tanh(x: Tensor) -> Tensor:
    return layers.activation(x, Tanh())


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    if approximate != "none":
        raise ValueError(f"approximate must be 'none', got {approximate!r}")
    return layers.activation(x, GELU())


def silu(x: Tensor, inplace: bool = False) -> Tensor:
    return layers.activation(x, SiLU())


def softplus(x: Tensor, beta: float = 1.0, threshold: float = _LINEAR) -> Tensor:
    if beta != 1 or threshold < _LINEAR:
        raise ValueError(f"beta must be 1 and threshold at least {_LINEAR:g}, got {beta} and {threshold}")
    return layers.activation(x, Softplus())


def softmax(x: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    if len(x.shape) != 1 or dim not in (1, -1) or dtype is not None:
        raise ValueError(f"it must be of rows, with dim=1, got dim={dim}")
    return x.part(SOFTMAX)


def erf(x: Tensor) -> Tensor:
    return x.part(ERF)


def dropout(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    return layers.dropout(x, p)


def same(x: Tensor, *_: Any, **__: Any) -> Tensor:
    return x


# ---- arithmetic ----------------------------------------------------------------------------------------------


def add(a: Any, b: Any) -> Tensor:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return arithmetic.add(a, b)
    return arithmetic.add_constant(a, _constant(b)) if isinstance(a, Tensor) else add(b, a)


def multiply(a: Any, b: Any) -> Tensor:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return arithmetic.multiply(a, b)
    return arithmetic.multiply_constant(a, _constant(b)) if isinstance(a, Tensor) else multiply(b, a)


def subtract(a: Any, b: Any) -> Tensor:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return arithmetic.subtract(a, b)
    return add(a, -b) if isinstance(a, Tensor) else add(multiply(b, -1.0), a)


def divide(a: Any, b: Any) -> Tensor:
    return arithmetic.divide(a, b) if isinstance(b, Tensor) else multiply(a, 1 / b)


def negative(a: Tensor) -> Tensor:
    return arithmetic.negative(a)


def power(x: Tensor, exponent: Any) -> Tensor:
    return arithmetic.of_moments(moments.square(x) if exponent == 2 else None)


def sqrt(x: Tensor) -> Tensor:
    return arithmetic.of_moments(moments.root(x))


def _constant(value: Any) -> np.ndarray:
    return value if isinstance(value, np.ndarray) else np.asarray(float(value))


# ---- shapes --------------------------------------------------------------------------------------------------


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    if start_dim != 1 or end_dim % (len(x.axes) + 1) != len(x.axes):
        raise ValueError(f"it must flatten all axes but the batch's (start_dim=1), got {start_dim} to {end_dim}")
    return shapes.flatten(x)


def reshape(x: Tensor, *sizes: Any) -> Tensor:
    wanted = [int(size) for size in (sizes[0] if isinstance(sizes[0], Sequence) else sizes)]
    if wanted[:1] == [-1] and -1 not in wanted[1:]:
        wanted[0] = ANY_BATCH
    if len(wanted) < 2 or wanted[0] != ANY_BATCH:
        raise ValueError(f"the batch must stay the first axis, got the shape {wanted}")
    return shapes.reshape(x, wanted[1:])


def permute(x: Tensor, *dims: Any) -> Tensor:
    axes = dims[0] if isinstance(dims[0], Sequence) else dims
    return shapes.transpose(x, [axis % len(axes) for axis in axes])


def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    axes = list(range(len(x.axes) + 1))
    axes[dim0], axes[dim1] = axes[dim1], axes[dim0]
    return shapes.transpose(x, axes)


def squeeze(x: Tensor, dim: Any = None) -> Tensor:
    count = len(x.axes) + 1
    given = range(1, count) if dim is None else [dim] if isinstance(dim, int) else dim
    removed = {axis % count for axis in given}
    return shapes.reshape(x, [size for i, size in enumerate(x.sizes, 1) if i not in removed or size > 1])


def unsqueeze(x: Tensor, dim: int) -> Tensor:
    sizes = [ANY_BATCH, *x.sizes]
    sizes.insert(dim % (len(sizes) + 1), 1)
    return reshape(x, sizes)


def size(x: Tensor, dim: int | None = None) -> Any:
    sizes = (ANY_BATCH, *x.sizes)
    return sizes if dim is None else sizes[dim]


def attribute(x: Tensor, name: str) -> Any:
    if name != "shape":
        raise ValueError(f"an attribute of a tensor must be its shape, got {name!r}")
    return size(x)


def pad(x: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Tensor:
    sides = [int(each) for each in pad] + [0] * (4 - len(pad))
    if mode != "constant" or value or len(sides) != 4 or min(sides) < 0:
        raise ValueError(f"it must put zeros around maps, got pad={pad}, mode={mode!r}, value={value}")
    left, right, top, bottom = sides
    return layers.zeros(x, ((top, bottom), (left, right)))


METHODS: dict[str, Callable[..., Any]] = {
    "add": add, "add_": add, "amax": amax, "contiguous": same, "div": divide, "dim": lambda x: len(x.axes) + 1,
    "double": same, "erf": erf, "flatten": flatten, "float": same, "log_softmax": softmax, "mean": mean,
    "mul": multiply, "mul_": multiply, "neg": negative, "permute": permute, "pow": power, "relu": relu, "relu_": relu,
    "reshape": reshape, "sigmoid": sigmoid, "size": size, "softmax": softmax, "sqrt": sqrt, "squeeze": squeeze,
    "sub": subtract, "tanh": tanh, "transpose": transpose, "unsqueeze": unsqueeze, "view": reshape,
}  # fmt: skip

FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **{getattr(torch, name): METHODS[name] for name in METHODS if hasattr(torch, name)},
    **{getattr(F, name): METHODS[name] for name in METHODS if hasattr(F, name)},
    F.adaptive_avg_pool2d: adaptive_avg_pool2d, F.adaptive_max_pool2d: adaptive_max_pool2d, F.avg_pool2d: avg_pool2d,
    F.conv2d: conv2d, F.dropout: dropout, F.dropout2d: dropout, F.gelu: gelu, F.layer_norm: layer_norm,
    F.leaky_relu: leaky_relu, F.linear: linear, F.max_pool2d: max_pool2d, F.pad: pad, F.silu: silu,
    F.softplus: softplus, torch.dropout: dropout, torch.max_pool2d: max_pool2d, torch.conv2d: conv2d,
    torch.relu_: relu, F.relu_: relu,
    getattr: attribute, operator.add: add, operator.iadd: add, operator.imul: multiply, operator.mul: multiply,
    operator.neg: negative, operator.pow: power, operator.sub: subtract, operator.truediv: divide,
    torch.true_divide: divide,
}  # fmt: skip
