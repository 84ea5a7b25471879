"""From layers to the operations that compute them: each layer says what it becomes and which others it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..backends.parts import leaves
from ..backends.python_calls import LayerCall
from ..layers.base import Layer, layer_names
from ..layers.lowering import Lowering, constant, load
from ..layers.registry import original


class Fused(NamedTuple):
    """An operation, and the layers that it computes: none, if it only moves numbers."""

    lowering: Lowering
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    layers: tuple[Layer, ...] = ()
    names: tuple[str, ...] = ()
    first_layer: int = -1  # its number in the net


def fuse(layers: Sequence[Layer], names: Sequence[str], training: bool) -> list[Fused]:
    """The operations of a net, the first of which reads the images.

    Raises
    ------
    TypeError
        A layer that computes nothing.
    """
    check_layers(leaves(layers))
    result: list[Fused] = []
    _add(result, layers, names, (), training)
    if not result or not result[0].lowering.reads_images:
        shape = layers[0].input_shape
        result.insert(0, Fused(load(shape), shape, shape))
    return result


def _add(
    result: list[Fused], layers: Sequence[Layer], names: Sequence[str], below: tuple[Layer, ...], training: bool
) -> tuple[Layer, ...]:
    """Add the operations of layers that follow those `below`, all of them leaves; all leaves up to the last one."""
    k = 0
    while k < len(layers):
        layer = layers[k]
        if layer.parts:
            below = _add_residual(result, layer, names[k], below, training)
            k += 1
            continue
        lowering = in_python(layer) if layer.in_python else layer.lower(below, layers[k + 1 :], training)
        taken = tuple(layers[k : k + (lowering.layers if lowering else 1)])
        if lowering:
            shapes = taken[0].input_shape, taken[-1].output_shape
            result.append(Fused(lowering, *shapes, taken, tuple(names[k : k + len(taken)]), len(below)))
        below += taken
        k += len(taken)
    return below


def _add_residual(
    result: list[Fused], block: Any, name: str, below: tuple[Layer, ...], training: bool
) -> tuple[Layer, ...]:
    """Add those of a residual block: its branch, and what is on its shortcut, between sums."""
    fork, rewind, join = block.sums(name)
    x, y = block.input_shape, block.output_shape
    names = [f"{name}.{each}" for each in layer_names(block.parts)]
    result.append(Fused(fork, x, x))
    below = _add(result, block.layers, names[: len(block.layers)], below, training)
    if rewind is not None:
        result.append(Fused(rewind, y, x))
        below = _add(result, block.shortcut, names[len(block.layers) :], below, training)
    result.append(Fused(join, y, y))
    return below


def in_python(layer: Layer) -> Lowering:
    """A layer that is called between the operations, with a whole batch."""
    return Lowering("python", geometry=constant(LayerCall(layer)), label="in Python", whole_batch=True)


def check_layers(layers: Sequence[Layer]) -> None:
    """TypeError for a layer that computes nothing."""
    for i, layer in enumerate(layers):
        try:
            original(type(layer))
        except TypeError as error:
            raise TypeError(f"layers[{i}]: {error}") from None
