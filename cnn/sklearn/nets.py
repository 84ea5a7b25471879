"""The net of an estimator, new for each fit: of a name, a function or layers."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from typing import Any

from .. import models
from ..backends.names import nearest
from ..layers.base import Layer
from ..layers.reshape import Rescaling
from ..losses import checked_loss, targets_of
from ..nets.sequential import Sequential
from .images import Shape

NAMED = {
    name: value
    for name, value in vars(models).items()
    if inspect.isfunction(value) and value.__module__ == models.__name__ and not name.startswith("_")
}
_LARGEST = 28  # MNIST's images, for which all nets that have a name are made


def new_net(net: Any, shape: Shape, outputs: int, loss: Any, seed: int, bounds: tuple[float, float]) -> Sequential:
    """A net for images of a shape and so many outputs.

    Parameters
    ----------
    net : str, callable or sequence of layers
        The estimator's argument.
    shape : tuple of int
        Of an image, (h, w, c).
    outputs : int
    loss : Loss or callable
    seed : int
        Of the initial parameters.
    bounds : (float, float)
        The values of pixels that are black and white to a net that has a name.

    Raises
    ------
    TypeError, ValueError
        What is no net; a net of another input shape, number of outputs, or kind of loss.
    """
    loss = checked_loss("loss", loss)
    if isinstance(net, str):
        return _named(net, shape, outputs, loss, seed, bounds)
    made = net(shape, outputs) if callable(net) else net
    if not isinstance(made, Sequential):
        made = Sequential(_copies(made), shape, seed=seed, loss=loss)
    elif not callable(net):
        raise TypeError(f"net must be a name, a function or layers, got a {type(made).__name__}, which is one net")
    if made.input_shape != shape:
        raise ValueError(f"net must take images {shape}, got a net for {made.input_shape}")
    if made.output_shape != (outputs,):
        raise ValueError(f"net must have {outputs} outputs for this y, got {made.output_shape[0]}")
    if targets_of(made.loss) not in (targets_of(loss), "any"):
        raise ValueError(f"net must have a loss for {targets_of(loss)}, such as {loss!r}, got {made.loss!r}")
    return made


def _named(name: str, shape: Shape, outputs: int, loss: Any, seed: int, bounds: tuple[float, float]) -> Sequential:
    """A net of `cnn.models`, for images with a border if they are too small, and for pixels between these bounds."""
    if name not in NAMED:
        raise ValueError(f"net must be the name of a net in cnn.models, got {name!r}{nearest(name, NAMED)}")
    h, w, c = shape
    for least in range(1, _LARGEST + 1):
        try:
            model = NAMED[name](input_shape=(max(h, least), max(w, least), c), classes=outputs)
            break
        except ValueError:  # nothing is left of images so small
            if least == _LARGEST:
                raise
    first, *others = [layer.anew() for layer in model.layers]
    return Sequential([_rescaled(first, *bounds), *others], model.input_shape, seed=seed, loss=loss)


def _rescaled(layer: Any, low: float, high: float) -> Rescaling:
    """A layer for pixels from 0 to 255 as one for pixels from `low` to `high`."""
    scale = layer.scale * 255 / (high - low) if high > low else layer.scale
    return Rescaling(scale, layer.offset - scale * low)


def _copies(layers: Any) -> list[Layer]:
    """New layers like these, which stay as they are."""
    if not isinstance(layers, Sequence) or isinstance(layers, str):
        raise TypeError(f"net must be a name, layers, or a function that returns layers or a net, got {layers!r}")
    return [copy.deepcopy(layer) for layer in layers]
