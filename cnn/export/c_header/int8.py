"""A quantised net's calls in C: which kernel computes what, with which numbers and arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import singledispatch

import numpy as np

from .integers import (
    IntegerAdd,
    IntegerAffine,
    IntegerAvgPool,
    IntegerExit,
    IntegerLogits,
    IntegerMaxPool,
    Integers,
    IntegerTable,
    Step,
)
from .program import Convolution, Tensor
from .source import Source, number

Call = Sequence[Step]  # what one call in C computes
Places = Mapping[Tensor, str]  # C expressions of pointers


def write_calls(source: Source, integers: Integers, calls: Sequence[Call], places: Places) -> None:
    """The image as integers, and all calls, one after the other."""
    low, step = number(integers.entry.low), number(integers.entry.step)
    source.call("quantise", ["input"], integers.image.size, "image", low, step, places[integers.image])
    for call in calls:
        _write(call[0], source, call, places)


@singledispatch
def _write(first: Step, source: Source, call: Call, places: Places) -> None:
    raise NotImplementedError(type(first))


@_write.register
def _(first: IntegerAffine, source: Source, call: Call, places: Places) -> None:
    affine, names = _affine(source, first, _table(source, call)), _names(call)
    x, y = places[first.operation.inputs[0]], places[call[-1].operation.output]
    if not isinstance(first.operation, Convolution):
        source.call("dense", names, *first.weights.shape, x, affine, y)
        return
    name, last = first.operation.name, call[-1]
    g = source.struct("conv_shape", f"{name}_shape", *first.operation.geometry)
    if isinstance(last, IntegerMaxPool):
        source.call("conv_max_pool", names, g, _pool_shape(source, last), x, affine, y)
    elif isinstance(last, IntegerAvgPool):
        source.call("conv_avg_pool", names, g, _pool_shape(source, last), x, affine, _mean(source, last), y)
    else:
        source.call("conv", names, g, x, affine, y)


@_write.register
def _(first: IntegerLogits, source: Source, call: Call, places: Places) -> None:
    name = first.operation.name
    weights, bias = _weights_and_bias(source, first)
    step = source.array("float", f"{name}_step", first.step)
    x, y = places[first.operation.inputs[0]], places[first.operation.output]
    source.call("dense_logits", _names(call), *first.weights.shape, x, first.x_zero, weights, bias, step, y)


@_write.register
def _(first: IntegerMaxPool, source: Source, call: Call, places: Places) -> None:
    x, y = places[first.operation.inputs[0]], places[first.operation.output]
    source.call("max_pool", _names(call), _pool_shape(source, first), x, y)


@_write.register
def _(first: IntegerAvgPool, source: Source, call: Call, places: Places) -> None:
    x, y = places[first.operation.inputs[0]], places[first.operation.output]
    source.call("avg_pool", _names(call), _pool_shape(source, first), x, _mean(source, first), y)


@_write.register
def _(first: IntegerAdd, source: Source, call: Call, places: Places) -> None:
    name, y = first.operation.name, places[call[-1].operation.output]
    a, b = (places[each] for each in first.operation.inputs)
    numbers = *first.zeros, *first.multiplier, first.shift, first.y_zero, _table(source, call)
    sum_of = source.struct("sum", f"{name}_sum", *numbers)
    source.call("add", _names(call), first.operation.output.size, a, b, sum_of, y)


@_write.register
def _(first: IntegerTable, source: Source, call: Call, places: Places) -> None:
    x, y = places[first.operation.inputs[0]], places[first.operation.output]
    if first.table is not None:
        source.call("lookup", _names(call), first.operation.output.size, x, _table(source, call), y)


@_write.register
def _(first: IntegerExit, source: Source, call: Call, places: Places) -> None:
    x, y = places[first.operation.inputs[0]], places[first.operation.output]
    zero, step = first.scale.zero, number(first.scale.step)
    source.call("dequantise", _names(call), first.operation.output.size, x, zero, step, y)


# ---- constants ----


def _names(call: Call) -> list[str]:
    return list(dict.fromkeys(each.operation.name for each in call))


def _affine(source: Source, first: IntegerAffine, table: str) -> str:
    name = first.operation.name
    weights, bias = _weights_and_bias(source, first)
    multiplier = source.array("int32_t", f"{name}_multiplier", first.multiplier)
    shift = source.array("uint8_t", f"{name}_shift", first.shift)
    return source.struct(
        "affine", f"{name}_affine", weights, bias, multiplier, shift, table, first.x_zero, first.y_zero
    )


def _weights_and_bias(source: Source, first: IntegerAffine | IntegerLogits) -> tuple[str, str]:
    """Weights (c_out, kh, kw, c_in / groups), or (units, inputs)."""
    weights, name = np.moveaxis(first.weights, -1, 0), first.operation.name
    shape = " x ".join(map(str, weights.shape))
    return source.array("int8_t", f"{name}_weights", weights, shape), source.array(
        "int32_t", f"{name}_bias", first.bias
    )


def _table(source: Source, call: Call) -> str:
    """The name of the table of the activation in a call, 0 for none."""
    for each in call:
        if isinstance(each, IntegerTable) and each.table is not None:
            return source.array("int8_t", f"{each.operation.name}_table", each.table)
    return "0"


def _mean(source: Source, pool: IntegerAvgPool) -> str:
    name = pool.operation.name
    multiplier = source.array("int32_t", f"{name}_multiplier", pool.multiplier)
    return source.struct("mean", f"{name}_mean", multiplier, pool.shift, pool.x_zero, pool.y_zero)


def _pool_shape(source: Source, pool: IntegerMaxPool | IntegerAvgPool) -> str:
    return source.struct("pool_shape", f"{pool.operation.name}_shape", *pool.operation.geometry)
