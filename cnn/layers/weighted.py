"""What layers with parameters share: `Weighted`, weights and a bias; `Scaled`, slopes and shifts of channels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backends import checks
from .base import Layer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..backends.annotations import Floats


class Weighted(Layer):
    """A layer with weights and, if asked for, a bias. He initialisation: normal, variance 2 / inputs of a unit."""

    _has_bias: bool

    def __init__(self, bias: bool) -> None:
        super().__init__()
        self._has_bias = bool(bias)

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
        return {name: self._has_bias if name == "bias" else getattr(self, name) for name in self._arguments}

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
