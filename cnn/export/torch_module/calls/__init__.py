"""What each function and method of PyTorch is as a layer here: the same arguments, a `Tensor` in place of a tensor."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from .activations import dropout, erf, gelu, leaky_relu, relu, same, sigmoid, silu, softmax, softplus, tanh
from .arithmetic import add, divide, multiply, negative, power, sqrt, subtract
from .layers import (
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    amax,
    avg_pool2d,
    conv2d,
    layer_norm,
    linear,
    max_pool2d,
    mean,
)
from .shapes import attribute, flatten, pad, permute, reshape, size, squeeze, transpose, unsqueeze

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
