"""From layers to the operations that compute them: each layer says what it becomes and which others it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..layers.base import Layer
from ..layers.lowering import Lowering, load
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
        A layer that is none of the package.
    """
    check_layers(layers)
    result: list[Fused] = []
    k = 0
    while k < len(layers):
        lowering = layers[k].lower(layers[:k], layers[k + 1 :], training)
        if k == 0 and not (lowering and lowering.reads_images):
            shape = layers[0].input_shape
            result.append(Fused(load(shape), shape, shape))
        end = k + (lowering.layers if lowering else 1)
        if lowering:
            taken = tuple(layers[k:end])
            shapes = taken[0].input_shape, taken[-1].output_shape
            result.append(Fused(lowering, *shapes, taken, tuple(names[k:end]), k))
        k = end
    return result


def check_layers(layers: Sequence[Layer]) -> None:
    """TypeError for a layer that is none of the package, which no operation would compute."""
    for i, layer in enumerate(layers):
        try:
            original(type(layer))
        except TypeError as error:
            raise TypeError(f"layers[{i}]: {error}") from None
