"""A net as a function of its arrays, for frameworks that take one: images (n, h, w, c) go through a chain of layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .nets import Layer


class Pass:
    """One pass of a batch through the layers; a framework's own has a method for each kind of layer.

    Attributes
    ----------
    values : mapping of str to array
        Parameters and running statistics, by our names.
    training : bool
    statistics : dict of str to array
        What the running statistics are after the pass; empty in inference.
    """

    def __init__(self, values: Mapping[str, Any], training: bool) -> None:
        self.values, self.training = values, training
        self.statistics: dict[str, Any] = {}

    def chain(self, layers: Iterable[Layer], x: Any) -> Any:
        for layer in layers:
            x = getattr(self, layer.kind.lower())(layer, x)
        return x

    def residual(self, layer: Layer, x: Any) -> Any:
        return self.chain(layer.branch, x) + self.chain(layer.shortcut, x)

    def of(self, layer: Layer, name: str) -> Any:
        """A parameter or statistic of the layer; None, if it has none of that name."""
        return self.values.get(f"{layer.name}.{name}")

    def keep(self, layer: Layer, mean: Any, variance: Any) -> None:
        """Bring the running statistics nearer to those of a batch; of its variance the unbiased one."""
        momentum = layer.options["momentum"]
        for name, value in (("mean", mean), ("variance", variance)):
            self.statistics[f"{layer.name}.{name}"] = momentum * self.of(layer, name) + (1 - momentum) * value
