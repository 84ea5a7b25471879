"""The net that a format's writer is given, what a layer says of itself to it, and the refusal where that is nothing."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from ..backends import names
from ..layers.base import Layer


def at_one_moment(net: Any) -> Any:
    """A copy of the net: one state between two steps, also while another thread trains it.

    Raises
    ------
    TypeError
        It is no net of layers.
    """
    if isinstance(net, type) or not all(hasattr(net, name) for name in ("layers", "layer_names", "input_shape")):
        raise TypeError(f"net must be a cnn.Sequential, got {net!r}")
    return copy(net)


def method_of(layer: Layer, name: str, method: str, format: str) -> Callable[..., Any]:
    """The method by which a layer is written in a format.

    Parameters
    ----------
    layer : Layer
    name : str
        The layer's, as a net names it: "conv2d_1".
    method, format : str
        "to_onnx" and "ONNX", for example.

    Raises
    ------
    ValueError
        It has none: a layer that the format lacks, or one of somebody else's, which computes something else than the
        layer of the package that it inherits from.
    """
    kind = type(layer)
    found = getattr(layer, method, None)
    inherited = kind.in_python and names.is_ours(next((k for k in kind.__mro__ if method in vars(k)), kind))
    if found is None or inherited:
        raise ValueError(
            f"{name}, a {kind.__name__}, cannot be written as {format}: the class has no {method}"
            + (" of its own" if inherited else "")
        )
    return found
