"""A program's operations in 8-bit integers: what the integers of each tensor stand for, weights, multipliers, tables.

The weights of each output channel have a step of their own and no zero but 0; a tensor has one step and one zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .evaluation import batches, evaluate
from .integers import (
    HIGHEST,
    LOWEST,
    IntegerAdd,
    IntegerAffine,
    IntegerAvgPool,
    IntegerExit,
    IntegerLogits,
    IntegerMaxPool,
    Integers,
    IntegerTable,
    Scale,
    Step,
)
from .program import (
    Add,
    AvgPool,
    Convolution,
    Dense,
    Elementwise,
    MaxPool,
    Operation,
    ReLU,
    Tensor,
    consumers,
)

_LEVELS = HIGHEST - LOWEST
_MOST = 2**31 - 1  # of a sum, and of a multiplier
_LARGEST_SHIFT = 62
Scales = dict[Tensor, Scale]


class Exit(Operation):
    """Where the last operation is no dense layer: its integers as floats."""


def quantised(operations: Sequence[Operation], image: Tensor, calibration: np.ndarray) -> Integers:
    """The net in integers, for images (n, ...) like those of the calibration.

    Raises
    ------
    ValueError
        A layer that does not fit integers, which is named; activations that are not finite.
    """
    for each in operations:
        if type(each) not in _STEPS:
            raise ValueError(
                f"{each.name} cannot be written as C in int8, for what it computes needs floats; write it in float32"
            )
    scales = _scales(operations, image, calibration)
    steps = [_STEPS[type(each)](each, scales) for each in operations]
    last = operations[-1]
    if isinstance(last, Dense):
        steps[-1] = _logits(last, scales)
    else:
        output = Exit("output", (last.output,), Tensor(last.output.size))
        steps.append(IntegerExit(output, scales[last.output]))
    return Integers(image, scales[image], steps)


# ---- what integers stand for ----


def _scales(operations: Sequence[Operation], image: Tensor, calibration: np.ndarray) -> Scales:
    """For each tensor, so that its integers reach from its smallest to its largest value in the calibration.

    What only a ReLU or a max pooling reads is on the scale of its output: what that leaves out may saturate.
    """
    ranges = _ranges(operations, image, calibration)
    scales = {tensor: _scale(*each) for tensor, each in ranges.items()}
    read = consumers(operations)
    for each in reversed(operations):
        if isinstance(each, ReLU | MaxPool) and read[each.inputs[0]] == 1:
            scales[each.inputs[0]] = scales[each.output]
    for each in operations:
        if isinstance(each, MaxPool):
            scales[each.output] = scales[each.inputs[0]]
    return scales


def _ranges(
    operations: Sequence[Operation], image: Tensor, calibration: np.ndarray
) -> dict[Tensor, tuple[float, float]]:
    """Smallest and largest value of each tensor."""
    ranges: dict[Tensor, tuple[float, float]] = {}
    names = {image: "input"} | {each.output: each.name for each in operations}
    for x in batches(calibration):
        for tensor, values in evaluate(operations, image, x).items():
            low, high = float(values.min()), float(values.max())
            if not np.isfinite([low, high]).all():
                raise ValueError(f"calibration must give finite numbers, got {low} to {high} in {names[tensor]}")
            before = ranges.get(tensor, (low, high))
            ranges[tensor] = min(before[0], low), max(before[1], high)
    return ranges


def _scale(low: float, high: float) -> Scale:
    """From low to high, and 0, which is the padding's value, by an integer of its own."""
    low, high = min(low, 0.0), max(high, 0.0)
    step = float(np.float32((high - low) / _LEVELS)) or 1.0
    return Scale(step, int(np.clip(round(LOWEST - low / step), LOWEST, HIGHEST)))


# ---- the operations ----


def _affine(operation: Convolution | Dense, scales: Scales) -> IntegerAffine:
    x, y = scales[operation.inputs[0]], scales[operation.output]
    weights, bias, step = _weights(operation, x)
    multiplier, shift = _fixed_point(step / y.step)
    return IntegerAffine(operation, weights, bias, multiplier, shift, x.zero, y.zero)


def _logits(operation: Dense, scales: Scales) -> IntegerLogits:
    x = scales[operation.inputs[0]]
    weights, bias, step = _weights(operation, x)
    return IntegerLogits(operation, weights, bias, step.astype(np.float32), x.zero)


def _weights(operation: Convolution | Dense, x: Scale) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights and biases as integers, and for each output channel the step of its sums.

    A channel's step may be so large that its bias fits: its weights are next to nothing then.
    """
    channels = operation.weights.reshape(-1, operation.weights.shape[-1])
    largest = np.maximum(np.abs(channels).max(axis=0) / HIGHEST, np.abs(operation.bias) / (x.step * 2.0**30))
    step = np.where(largest > 0, largest, 1.0)
    weights = np.rint(operation.weights / step).astype(np.int8)
    bias = np.rint(operation.bias / (step * x.step)).astype(np.int64)
    most = np.abs(weights.astype(np.int64)).reshape(channels.shape).sum(axis=0) * _LEVELS + np.abs(bias)
    if most.max() > _MOST:
        raise ValueError(f"{operation.name} cannot be written as C in int8: its sums may exceed 32 bits")
    return weights, bias, step * x.step


def _max_pool(operation: MaxPool, scales: Scales) -> IntegerMaxPool:
    return IntegerMaxPool(operation)


def _avg_pool(operation: AvgPool, scales: Scales) -> IntegerAvgPool:
    g, x, y = operation.geometry, scales[operation.inputs[0]], scales[operation.output]
    pixels = np.arange(g.kh * g.kw, 0, -1) if g.ph or g.pw else np.array([g.kh * g.kw])
    multiplier, shift = _common_fixed_point(x.step / (y.step * pixels))
    return IntegerAvgPool(operation, multiplier, shift, x.zero, y.zero)


def _add(operation: Add, scales: Scales) -> IntegerAdd:
    a, b = (scales[each] for each in operation.inputs)
    y = scales[operation.output]
    multiplier, shift = _common_fixed_point(np.array([a.step, b.step]) / y.step)
    return IntegerAdd(operation, (a.zero, b.zero), multiplier, shift, y.zero)


def _table(operation: Elementwise, scales: Scales) -> IntegerTable:
    x, y = scales[operation.inputs[0]], scales[operation.output]
    if x is y:  # a ReLU's scale, of which the lowest integer stands for 0; nothing else reads its input
        return IntegerTable(operation, None)
    numbers = (np.arange(LOWEST, HIGHEST + 1) - x.zero) * x.step
    return IntegerTable(operation, y.quantised(operation.function(numbers)))


_STEPS: dict[type[Operation], Callable[..., Step]] = {
    Convolution: _affine,
    Dense: _affine,
    MaxPool: _max_pool,
    AvgPool: _avg_pool,
    Add: _add,
    Elementwise: _table,
    ReLU: _table,
}


# ---- factors as integers ----


def _fixed_point(factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """multiplier and shift, so that multiplier / 2^shift is nearly each factor: 30 bits or more, and below 2^31."""
    _, exponent = np.frexp(factors)
    shift = np.clip(31 - exponent, 1, _LARGEST_SHIFT)
    return np.minimum(np.rint(np.ldexp(factors, shift)), _MOST).astype(np.int64), shift.astype(np.int64)


def _common_fixed_point(factors: np.ndarray) -> tuple[np.ndarray, int]:
    """The same with one shift for all of them, that of the largest."""
    shift = int(_fixed_point(factors)[1].min())
    return np.minimum(np.rint(np.ldexp(factors, shift)), _MOST).astype(np.int64), shift
