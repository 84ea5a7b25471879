"""A program's operations with as few of them as possible: affine maps of channels become part of weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...backends import geometry
from .program import (
    Affine,
    AvgPool,
    Convolution,
    Dense,
    Elementwise,
    MaxPool,
    Operation,
    Program,
    ReLU,
    Tensor,
    consumers,
)

Weighted = Convolution | Dense


def folded(program: Program) -> list[Operation]:
    """The operations, of which none is an `Affine`; at least one, so that the input is not the output.

    Raises
    ------
    ValueError
        Weights that are not finite numbers of float32; the layer is named.
    """
    operations = _with_relu_first(_folded_forwards(_folded_backwards(program.operations)))
    operations = [_as_convolution(each) if isinstance(each, Affine) else each for each in operations]
    for each in operations:
        _check(each)
    result = program.here
    return operations or [Elementwise("output", (result,), Tensor(result.size), "x", lambda x: x)]


def _folded_backwards(operations: list[Operation]) -> list[Operation]:
    """An affine map behind a convolution, a dense layer or another affine map becomes part of that."""
    result: list[Operation] = []
    read = consumers(operations)
    for each in operations:
        below = next((other for other in result if other.output in each.inputs), None)
        if isinstance(each, Affine) and below is not None and read[below.output] == 1:
            merged = _scaled_output(below, each)
            if merged is not None:
                result[result.index(below)] = merged
                continue
        result.append(each)
    return result


def _scaled_output(below: Operation, affine: Affine) -> Operation | None:
    """Both in one, if the lower one's channels are those of the affine map."""
    slope, shift = affine.slope, affine.shift
    if isinstance(below, Affine) and below.shape == affine.shape:
        slopes = {"slope": below.slope * slope, "shift": below.shift * slope + shift}
        return replace(below, output=affine.output, **slopes)
    if isinstance(below, Weighted) and affine.shape == _output_shape(below):
        weights, bias = below.weights * slope, below.bias * slope + shift
        return replace(below, output=affine.output, weights=weights, bias=bias)
    return None


def _output_shape(operation: Weighted) -> tuple[int, ...]:
    return operation.geometry.output_shape if isinstance(operation, Convolution) else operation.bias.shape


def _folded_forwards(operations: list[Operation]) -> list[Operation]:
    """An affine map below dense layers, or convolutions without padding, becomes part of their weights.

    With padding it cannot: what lies outside of the map is zero after the affine map, and not before it.
    """
    result = list(operations)
    for affine in operations:
        above = [each for each in result if affine.output in each.inputs]
        if isinstance(affine, Affine) and above and all(_takes(each, affine) for each in above):
            result = [_scaled_input(each, affine) if each in above else each for each in result if each is not affine]
    return result


def _takes(operation: Operation, affine: Affine) -> bool:
    if isinstance(operation, Dense):
        return True
    if not isinstance(operation, Convolution):
        return False
    g = operation.geometry
    bottom, right = (g.oh - 1) * g.sh + (g.kh - 1) * g.dilation_h + 1, (g.ow - 1) * g.sw + (g.kw - 1) * g.dilation_w + 1
    return affine.shape == g.input_shape and g.ph == g.pw == 0 and bottom <= g.h and right <= g.w


def _scaled_input(above: Operation, affine: Affine) -> Operation:
    """Both in one."""
    assert isinstance(above, Weighted)
    if isinstance(above, Dense):
        slope, shift = (np.broadcast_to(each, affine.shape).reshape(-1, 1) for each in (affine.slope, affine.shift))
        added = (above.weights * shift).sum(axis=0)
    else:
        groups = above.geometry.groups  # the inputs of each are those of its share of the outputs
        per_group = [each.reshape(groups, -1).T for each in (affine.slope, affine.shift)]
        slope, shift = (np.repeat(each, above.geometry.c_out // groups, axis=1) for each in per_group)
        added = (above.weights * shift).sum(axis=(0, 1, 2))
    return replace(above, inputs=affine.inputs, weights=above.weights * slope, bias=above.bias + added)


def _as_convolution(affine: Affine) -> Convolution:
    """One of 1x1, of every channel by itself."""
    h, w, c = affine.shape if len(affine.shape) == 3 else (1, int(np.prod(affine.shape[:-1])), affine.shape[-1])
    g = geometry.conv2d((h, w, c), (1, 1, 1, c), groups=c)
    return Convolution(affine.name, affine.inputs, affine.output, g, affine.slope.reshape(1, 1, 1, c), affine.shift)


def _with_relu_first(operations: list[Operation]) -> list[Operation]:
    """A ReLU behind a max pooling stands before it, where a convolution may take it: the maxima are the same."""
    result = list(operations)
    read = consumers(operations)
    for i, relu in enumerate(operations):
        pool = next((each for each in result if each.output in relu.inputs), None)
        if isinstance(relu, ReLU) and isinstance(pool, MaxPool) and read[pool.output] == 1:
            between = Tensor(pool.inputs[0].size)
            result[result.index(pool)] = replace(relu, inputs=pool.inputs, output=between)
            result[i] = replace(pool, inputs=(between,), output=relu.output)
    return result


def _check(operation: Operation) -> None:
    for value in vars(operation).values():
        if isinstance(value, np.ndarray):
            with np.errstate(over="ignore"):
                finite = np.isfinite(value.astype(np.float32)).all()
            if not finite:
                raise ValueError(f"{operation.name} cannot be written as C: its weights must be finite in float32")


def stages(operations: Sequence[Operation]) -> list[tuple[Operation, ...]]:
    """The operations that one call in C computes together, for each call.

    A convolution, a dense layer or a sum takes the function behind it; a convolution also the pooling behind that, if
    no window overlaps another one: each of its values is then computed once, and its map is never stored.
    """
    read = consumers(operations)
    above = {each.inputs[0]: each for each in operations if read[each.inputs[0]] == 1}
    result, taken = [], set()
    for each in operations:
        if each in taken:
            continue
        call, following = [each], above.get(each.output)
        if isinstance(each, Weighted) or len(each.inputs) == 2:
            if isinstance(following, Elementwise):
                call.append(following)
                following = above.get(following.output)
            if isinstance(each, Convolution) and isinstance(following, MaxPool | AvgPool) and _apart(following):
                call.append(following)
        taken.update(call)
        result.append(tuple(call))
    return result


def _apart(pool: MaxPool | AvgPool) -> bool:
    g = pool.geometry
    return (g.sh >= g.kh or g.oh == 1) and (g.sw >= g.kw or g.ow == 1)
