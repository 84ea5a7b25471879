"""What each module of PyTorch is as a layer here, by its class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from ..chain import layers, shapes
from ..chain.tensor import Tensor
from .calls import activations
from .calls import layers as called
from .calls import shapes as reshaping


def array(value: Any) -> np.ndarray | None:
    """A parameter or buffer as an array; None for none."""
    return None if value is None else np.array(value.detach().cpu().numpy())


def _convolution(x: Tensor, module: Any) -> Tensor:
    if module.padding_mode != "zeros":
        raise ValueError(f"padding_mode must be 'zeros', got {module.padding_mode!r}")
    weight, bias = array(module.weight), array(module.bias)
    return called.conv2d(x, weight, bias, module.stride, module.padding, module.dilation, module.groups)  # type: ignore[arg-type]


def _linear(x: Tensor, module: Any) -> Tensor:
    return called.linear(x, array(module.weight), array(module.bias))  # type: ignore[arg-type]


def _batch_norm(x: Tensor, module: Any) -> Tensor:
    if module.running_mean is None or module.momentum is None:
        raise ValueError("a BatchNorm must have running statistics and a momentum")
    mean, variance = array(module.running_mean), array(module.running_var)
    gamma = np.ones_like(mean) if module.weight is None else array(module.weight)
    beta = np.zeros_like(mean) if module.bias is None else array(module.bias)
    learned: Any = {"gamma": gamma, "beta": beta, "mean": mean, "variance": variance}
    return layers.batch_norm(x, learned, 1 - module.momentum, module.eps)


def _layer_norm(x: Tensor, module: Any) -> Tensor:
    return called.layer_norm(x, module.normalized_shape, array(module.weight), array(module.bias), module.eps)


def _unflatten(x: Tensor, module: Any) -> Tensor:
    if module.dim != 1 or len(x.shape) != 1:
        raise ValueError(f"it must make maps of rows (dim=1), got dim={module.dim} of {x.sizes}")
    return shapes.reshape(x, tuple(module.unflattened_size))


def _max_pool(x: Tensor, m: Any) -> Tensor:
    return called.max_pool2d(x, m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode, m.return_indices)


def _mean_pool(x: Tensor, m: Any) -> Tensor:
    sizes = m.kernel_size, m.stride, m.padding
    return called.avg_pool2d(x, *sizes, m.ceil_mode, m.count_include_pad, m.divisor_override)


KINDS: dict[type[Any], Callable[[Tensor, Any], Tensor]] = {
    nn.AdaptiveAvgPool2d: lambda x, m: called.adaptive_avg_pool2d(x, m.output_size),
    nn.AdaptiveMaxPool2d: lambda x, m: called.adaptive_max_pool2d(x, m.output_size, m.return_indices),
    nn.AvgPool2d: _mean_pool,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.Conv2d: _convolution,
    nn.Dropout: lambda x, m: activations.dropout(x, m.p),
    nn.Dropout2d: lambda x, m: activations.dropout(x, m.p),
    nn.Flatten: lambda x, m: reshaping.flatten(x, m.start_dim, m.end_dim),
    nn.GELU: lambda x, m: activations.gelu(x, m.approximate),
    nn.Identity: lambda x, m: x,
    nn.LayerNorm: _layer_norm,
    nn.LeakyReLU: lambda x, m: activations.leaky_relu(x, m.negative_slope),
    nn.Linear: _linear,
    nn.LogSoftmax: lambda x, m: activations.softmax(x, m.dim),
    nn.MaxPool2d: _max_pool,
    nn.ReLU: lambda x, m: activations.relu(x),
    nn.SiLU: lambda x, m: activations.silu(x),
    nn.Sigmoid: lambda x, m: activations.sigmoid(x),
    nn.Softmax: lambda x, m: activations.softmax(x, m.dim),
    nn.Softplus: lambda x, m: activations.softplus(x, m.beta, m.threshold),
    nn.Tanh: lambda x, m: activations.tanh(x),
    nn.Unflatten: _unflatten,
    nn.ZeroPad2d: lambda x, m: reshaping.pad(x, m.padding),
}
