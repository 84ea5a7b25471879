"""Nets as functions of PyTorch, in float64, on tensors that lie as our arrays do: parameters keep names and shapes.

A layer that is added to the package needs an entry in `LAYERS`, a loss one in `LOSSES`.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from cnn.layers.base import layer_names

from .test_against_torch import CHANNELS_FIRST, CHANNELS_LAST, KERNEL_FIRST

# ---- layers: (layer, x, learned, training) -> y, channels last; `learned` are parameters and statistics by name ----


def convolution(layer, x, learned, training):
    groups = layer.filters_and_groups(x.shape[-1])[1]
    before = after = list(layer.padding) if isinstance(layer.padding, tuple) else [0, 0]
    if layer.padding == "same":
        sides = zip(x.shape[1:3], layer.kernel_size, layer.stride, layer.dilation, strict=True)
        totals = [max((-(-h // step) - 1) * step + (k - 1) * apart + 1 - h, 0) for h, k, step, apart in sides]
        before, after = [total // 2 for total in totals], [total - total // 2 for total in totals]
    padded = F.pad(x.permute(CHANNELS_FIRST), [before[1], after[1], before[0], after[0]])
    weights = learned["weights"].permute(KERNEL_FIRST).contiguous()
    y = F.conv2d(padded, weights, learned.get("bias"), layer.stride, dilation=layer.dilation, groups=groups)
    return y.permute(CHANNELS_LAST)


def max_pooling(layer, x, learned, training):
    (kh, kw), (ph, pw), x = layer.pool_size, layer.padding, x.permute(CHANNELS_FIRST)
    if layer.ties == "first":
        return F.max_pool2d(x, (kh, kw), layer.stride, (ph, pw)).permute(CHANNELS_LAST)
    # No function of PyTorch gives the whole gradient to every tie.
    padded = F.pad(x, [pw, pw, ph, ph], value=-torch.inf)
    windows = padded.unfold(2, kh, layer.stride[0]).unfold(3, kw, layer.stride[1]).flatten(4)
    largest = windows.detach().amax(4, keepdim=True)
    nothing = torch.where(windows == largest, windows - largest, 0.0)
    return (largest[..., 0] + nothing.sum(4)).permute(CHANNELS_LAST)


def mean_pooling(layer, x, learned, training):
    y = F.avg_pool2d(x.permute(CHANNELS_FIRST), layer.pool_size, layer.stride, layer.padding, count_include_pad=False)
    return y.permute(CHANNELS_LAST)


def maximum_of_a_map(layer, x, learned, training):
    return F.max_pool2d(x.permute(CHANNELS_FIRST), x.shape[1:3]).flatten(1)


def batch_norm(layer, x, learned, training):
    n, own = len(x), training and layer.trainable
    if own and x[..., 0].numel() == 1:
        x = torch.cat([x, x])  # PyTorch refuses a single value; two of them have the same moments
    rows = x.reshape(-1, x.shape[-1])
    running = learned["mean"], learned["variance"]
    y = F.batch_norm(rows, *running, learned["gamma"], learned["beta"], own, 1 - layer.momentum, layer.epsilon)
    return y.reshape(x.shape)[:n]


def layer_norm(layer, x, learned, training):
    return F.layer_norm(x, x.shape[-1:], learned["gamma"], learned["beta"], layer.epsilon)


def dense(layer, x, learned, training):
    return F.linear(x, learned["weights"].T, learned.get("bias"))


def residual(layer, x, learned, training):
    names, branches = layer_names(layer.parts), len(layer.layers)
    branch = passed(layer.layers, x, learned, training, names[:branches])
    return branch + passed(layer.shortcut, x, learned, training, names[branches:])


LAYERS = {
    "AvgPool2D": mean_pooling,
    "BatchNorm": batch_norm,
    "Conv2D": convolution,
    "Dense": dense,
    "DepthwiseConv2D": convolution,
    "Flatten": lambda layer, x, *_: x.flatten(1),
    "GELU": lambda layer, x, *_: F.gelu(x),
    "GlobalAvgPool2D": lambda layer, x, *_: x.mean((1, 2)),
    "GlobalMaxPool2D": maximum_of_a_map,
    "LayerNorm": layer_norm,
    "LeakyReLU": lambda layer, x, *_: F.leaky_relu(x, layer.slope),
    "MaxPool2D": max_pooling,
    "ReLU": lambda layer, x, *_: F.relu(x),
    "Rescaling": lambda layer, x, *_: x * layer.scale + layer.offset,
    "Residual": residual,
    "SiLU": lambda layer, x, *_: F.silu(x),
    "Sigmoid": lambda layer, x, *_: torch.sigmoid(x),
    "Softplus": lambda layer, x, *_: F.softplus(x, threshold=1e9),  # else linear above 20
    "Tanh": lambda layer, x, *_: torch.tanh(x),
}
LEFT_OUT = {"Dropout"}  # whose random numbers PyTorch has not; tests/plan/test_dropout.py has them


def passed(layers, x, learned, training, names=None):
    """The output of layers one after the other; running statistics in `learned` go on as in a step, if training."""
    for name, layer in zip(names or layer_names(layers), layers, strict=True):
        own = {key.removeprefix(f"{name}."): value for key, value in learned.items() if key.startswith(f"{name}.")}
        x = LAYERS[type(layer).__name__](layer, x, own, training)
    return x


# ---- losses: (loss, outputs, targets) -> one an image ----

LOSSES = {
    "BinaryCrossEntropy": lambda loss, z, t: F.binary_cross_entropy_with_logits(z, t, reduction="none").mean(1),
    "Huber": lambda loss, z, t: F.huber_loss(z, t, reduction="none", delta=loss.delta).mean(1),
    "MeanSquaredError": lambda loss, z, t: F.mse_loss(z, t, reduction="none").mean(1),
    "SoftmaxCrossEntropy": lambda loss, z, t: F.cross_entropy(
        z, t, reduction="none", label_smoothing=loss.label_smoothing
    ),
}
