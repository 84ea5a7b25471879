"""`Parsed`: what a net is made of that was read from another program's graph."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...backends.parts import leaves
from ...layers.base import Layer
from .tensor import SOFTMAX, Learned, Tensor, layers_of, steps_between


class Parsed(NamedTuple):
    """Layers that have not been built, what they have learned, and what else the file says.

    Attributes
    ----------
    layers : list of Layer
    learned : list of (layer, dict of str to array)
    input_shape : tuple of int
    dtype : "float32" or "float64"
    classes, images, loss
        As `cnn.load` finds them in a file; None where nothing is said.
    """

    layers: list[Layer]
    learned: Learned
    input_shape: tuple[int, ...]
    dtype: Any
    classes: Any = None
    images: tuple[str, float, float] | None = None
    loss: Any = None


def parsed(y: Tensor, dtype: str) -> Parsed:
    """The net whose logits are the tensor `y`, or its softmax, which is left out."""
    if y.step.detail == SOFTMAX and y.step.below is not None:
        y = y._replace(step=y.step.below)
    if len(y.shape) != 1:
        raise ValueError(f"its output must be a row for each image, got {y.sizes}")
    if y.order is not None:
        raise ValueError("its output is a flattened map with channels first, which no net here gives")
    start = y.step
    while start.below is not None:
        start = start.below
    layers, learned = layers_of(steps_between(start, y.step) or [])
    if len({id(layer) for layer in leaves(layers)}) < len(leaves(layers)):
        raise ValueError("what one of its layers gives is used in two places, which are no residual block")
    return Parsed(layers, learned, start.detail, dtype)
