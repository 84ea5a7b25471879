"""A net as the page's JavaScript takes it: dicts that JSON can hold, with the parameters as base64 of float32."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...layers.base import Layer
from ...losses import has_accuracy, targets_of
from ..layers import method_of


class PageWriter:
    """What a layer's `to_page` is given, to write its arrays and the layers that it is made of."""

    def numbers(self, values: np.ndarray | None) -> dict[str, str] | None:
        """An array in C order, as little-endian float32; None for none."""
        if values is None:
            return None
        return {"float32": base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()}

    def layers(self, layers: Sequence[Layer], names: Sequence[str]) -> list[dict[str, Any]]:
        """The layers, each with its name, its class and its shapes.

        Raises
        ------
        ValueError
            A layer that a page cannot hold.
        """
        return [self._layer(layer, name) for layer, name in zip(layers, names, strict=True)]

    def _layer(self, layer: Layer, name: str) -> dict[str, Any]:
        written: dict[str, Any] = method_of(layer, name, "to_page", "a web page")(self)
        shapes = {"input": list(layer.input_shape), "output": list(layer.output_shape)}
        return {"name": name, "class": type(layer).__name__, **shapes, **written}


def page_net(net: Any) -> dict[str, Any]:
    """The net's layers and shapes, what its outputs mean, and the names of its classes.

    Raises
    ------
    ValueError
        A layer that a page cannot hold.
    """
    return {
        "input": list(net.input_shape),
        "layers": PageWriter().layers(net.layers, net.layer_names),
        "answers": _answers(net),
        "classes": list(net.classes or map(str, range(net.output_shape[0]))),
    }


def _answers(net: Any) -> str:
    """What a page makes of the last layer's outputs: their softmax, the sigmoid of each, or nothing."""
    if not has_accuracy(net.loss):
        return "values"
    return "softmax" if targets_of(net.loss) == "labels" else "sigmoid"
