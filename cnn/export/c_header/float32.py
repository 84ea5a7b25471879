"""A program's calls in float32: which kernel computes what, with which numbers and arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import singledispatch

import numpy as np

from .program import Add, AvgPool, Convolution, Dense, Elementwise, LayerNorm, MaxPool, Operation, Tensor
from .source import Source, number

Call = Sequence[Operation]
Places = Mapping[Tensor, str]  # C expressions of pointers


def write_calls(source: Source, calls: Sequence[Call], places: Places) -> None:
    """All calls, one after the other."""
    for call in calls:
        _write(call[0], source, call, places)


@singledispatch
def _write(first: Operation, source: Source, call: Call, places: Places) -> None:
    raise NotImplementedError(type(first))


@_write.register
def _(first: Convolution, source: Source, call: Call, places: Places) -> None:
    g = source.struct("conv_shape", f"{first.name}_shape", *first.geometry)
    weights, function = first.weights.transpose(3, 0, 1, 2), _function(source, call)
    arrays = _arrays(source, first.name, weights=weights, bias=first.bias)
    x, y, names = places[first.inputs[0]], places[call[-1].output], _names(call)
    if isinstance(call[-1], MaxPool | AvgPool):
        kernel = "conv_max_pool" if isinstance(call[-1], MaxPool) else "conv_avg_pool"
        p = source.struct("pool_shape", f"{call[-1].name}_shape", *call[-1].geometry)
        source.call(kernel, names, g, p, x, *arrays, function, y)
    else:
        source.call("conv", names, g, x, *arrays, function, y)


@_write.register
def _(first: Dense, source: Source, call: Call, places: Places) -> None:
    arrays = _arrays(source, first.name, weights=first.weights.T, bias=first.bias)
    x, y = places[first.inputs[0]], places[call[-1].output]
    source.call("dense", _names(call), *first.weights.shape, x, *arrays, _function(source, call), y)


@_write.register
def _(first: MaxPool, source: Source, call: Call, places: Places) -> None:
    _write_pool("max_pool", first, source, places)


@_write.register
def _(first: AvgPool, source: Source, call: Call, places: Places) -> None:
    _write_pool("avg_pool", first, source, places)


def _write_pool(kernel: str, pool: MaxPool | AvgPool, source: Source, places: Places) -> None:
    p = source.struct("pool_shape", f"{pool.name}_shape", *pool.geometry)
    source.call(kernel, [pool.name], p, places[pool.inputs[0]], places[pool.output])


@_write.register
def _(first: Elementwise, source: Source, call: Call, places: Places) -> None:
    x, y = places[first.inputs[0]], places[first.output]
    source.call("elementwise", _names(call), first.output.size, x, _function(source, call), y)


@_write.register
def _(first: LayerNorm, source: Source, call: Call, places: Places) -> None:
    channels = len(first.gamma)
    arrays = _arrays(source, first.name, gamma=first.gamma, beta=first.beta)
    x, y, positions = places[first.inputs[0]], places[first.output], first.output.size // channels
    source.call("layer_norm", _names(call), positions, channels, number(first.epsilon), x, *arrays, y)


@_write.register
def _(first: Add, source: Source, call: Call, places: Places) -> None:
    a, b = (places[each] for each in first.inputs)
    source.call("add", _names(call), first.output.size, a, b, _function(source, call), places[call[-1].output])


def _names(call: Call) -> list[str]:
    return list(dict.fromkeys(each.name for each in call))


def _function(source: Source, call: Call) -> str:
    """The name of the activation in a call, 0 for none."""
    for each in call:
        if isinstance(each, Elementwise):
            return source.function(each.name, each.expression)
    return "0"


def _arrays(source: Source, name: str, **arrays: np.ndarray) -> list[str]:
    return [
        source.array("float", f"{name}_{what}", value, " x ".join(map(str, value.shape)))
        for what, value in arrays.items()
    ]
