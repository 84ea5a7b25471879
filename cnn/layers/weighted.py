"""What layers with parameters share: `Weighted`, weights, a bias, and an activation to be put behind them; `Scaled`,
slopes and shifts of channels.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backends import checks, names
from .activation import Elementwise
from .base import Layer
from .registry import LAYERS

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Self

    from ..backends.annotations import DType, Floats, Seed, Shape

Activation = str | Elementwise | None  # as an argument


class Weighted(Layer):
    """A layer with weights and, if asked for, a bias. He initialisation: normal, variance 2 / inputs of a unit.

    Its activation is a shorthand, which a net makes a layer of its own; the layer in the net has none.
    """

    _has_bias: bool
    _activation: Activation = None
    _is_followed = False  # a net that is being made has the activation behind this layer

    def __init__(self, activation: Activation, bias: bool) -> None:
        super().__init__()
        self._activation = checked_activation(activation)
        self._has_bias = bool(bias)

    def build(self, input_shape: Shape, *, dtype: DType = "float32", seed: Seed = None) -> Self:
        if self.activation is not None and not self._is_followed:
            raise ValueError(
                f"a {type(self).__name__} alone must have no activation, got {self.activation!r}; in a Sequential it "
                "becomes the next layer; outside of one, call that layer after it"
            )
        self._is_followed = False
        return super().build(input_shape, dtype=dtype, seed=seed)

    @property
    def activation(self) -> Activation:
        """The name of the activation behind the layer, or that itself; None for none, and in a net."""
        return None if self.in_net else self._activation

    @activation.setter
    def activation(self, value: Activation) -> None:
        if self.in_net:
            raise AttributeError(f"activation of a {type(self).__name__} in a net cannot be changed; make another net")
        self._activation = checked_activation(value)

    def followed(self) -> Iterator[Layer]:
        """The layer that a net which is being made puts behind this one, if it has an activation."""
        given = self.activation
        if given is not None:
            self._is_followed = True
            yield activations()[given]() if isinstance(given, str) else given

    @property
    def weights(self) -> Floats:
        """The weights; assigning needs an array of their shape and dtype, whose values are copied."""
        return self.parameters["weights"]

    @weights.setter
    def weights(self, value: ArrayLike) -> None:
        self.weights[...] = checks.parameter("weights", value, self.weights)

    @property
    def bias(self) -> Floats | None:
        """The bias, None for a layer without one; assigning copies, as for `weights`."""
        return self.parameters.get("bias")

    @bias.setter
    def bias(self, value: ArrayLike) -> None:
        if self.bias is None:
            raise ValueError("bias cannot be assigned: the layer was made with bias=False")
        self.bias[...] = checks.parameter("bias", value, self.bias)

    def configuration(self) -> dict[str, Any]:
        arguments = {name: self._has_bias if name == "bias" else getattr(self, name) for name in self._arguments}
        if self.activation is None:
            arguments.pop("activation", None)
        return arguments

    def weights_shape(self) -> tuple[int, ...]:
        """Once the layer's shapes are fixed; units or filters are the last axis."""
        raise NotImplementedError

    def learned_shapes(self) -> dict[str, tuple[int, ...]]:
        shape = self.weights_shape()
        return {"weights": shape} | ({"bias": shape[-1:]} if self._has_bias else {})

    def initial_parameters(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        shape = self.weights_shape()
        scale = math.sqrt(2 / math.prod(shape[:-1]))
        parameters = {"weights": (rng.standard_normal(shape) * scale).astype(self.dtype)}
        if self._has_bias:
            parameters["bias"] = np.zeros(shape[-1], self.dtype)
        return parameters

    def _gradients(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Where the operations write the gradients: the layer's own arrays, or its net's."""
        return self.gradients["weights"], self.gradients.get("bias")


class Scaled(Layer):
    """A normalisation, whose channels are multiplied by `gamma`, ones to begin with, and moved by `beta`, zeros."""

    @property
    def gamma(self) -> Floats:
        """The slopes (channels,), a view."""
        return self.parameters["gamma"]

    @property
    def beta(self) -> Floats:
        """The shifts (channels,), a view."""
        return self.parameters["beta"]

    def learned_shapes(self) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(("gamma", "beta"), self.input_shape[-1:])

    def initial_parameters(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        channels = self.input_shape[-1]
        return {"gamma": np.ones(channels, self.dtype), "beta": np.zeros(channels, self.dtype)}


def activations() -> dict[str, type[Elementwise]]:
    """The activations that can be made without an argument, by name."""
    kinds = [kind for kind in LAYERS.values() if issubclass(kind, Elementwise)]
    defaults = {kind: [each.default for each in inspect.signature(kind).parameters.values()] for kind in kinds}
    return {kind.function: kind for kind in kinds if inspect.Parameter.empty not in defaults[kind]}


def checked_activation(value: Any) -> Activation:
    """An activation as an argument: the name of one, or a layer that is one; None for none, which "linear" stands for.

    Raises
    ------
    TypeError, ValueError
        What is neither, or a name that no activation has.
    """
    if value is None or value == "linear" or isinstance(value, Elementwise):
        return None if isinstance(value, str) else value
    if not isinstance(value, str):
        raise TypeError(f'activation must be a name such as "relu", a layer such as cnn.ReLU(), or None, got {value!r}')
    known = list(activations())
    if value in known:
        return value
    if value == "softmax":
        raise ValueError('activation must not be "softmax": the loss contains the softmax; leave it out')
    meant = names.meant(value.lower(), known)
    raise ValueError(f"activation must be one of {', '.join(known)}, linear, or None, got {value!r}{meant}")


def with_activations(layers: Iterable[Layer]) -> Iterator[Layer]:
    """The layers of a net that is made of these: behind each one with an activation, that as a layer."""
    for layer in layers:
        yield layer
        if isinstance(layer, Weighted):
            yield from layer.followed()
