"""Dropout: `Dropout` and what it means in NumPy, with random numbers that a net counts and a layer alone draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, SupportsFloat

import numpy as np

from ..backends import checks
from ..backends.numpy.operations import numpy_operation
from .base import Layer
from .lowering import Lowering, constant
from .registry import register

__all__ = ["Dropout"]


@numpy_operation
def dropout(x: np.ndarray, kept: np.ndarray, rate: float) -> np.ndarray:
    """x over 1 - rate where it is kept, else 0, even of NaN; of a gradient likewise."""
    return np.where(kept, x * x.dtype.type(1 / (1 - rate)), x.dtype.type(0))


class DropoutGeometry(NamedTuple):
    rate: float
    threshold: int  # of a random word, below which a value is dropped


@register
class Dropout(Layer):
    """While a net trains, a share `rate` of all values at random is zero, and the others grow to keep the mean.

    (Srivastava et al., 2014, scaled as all frameworks do.) In a prediction it does nothing. In `Sequential.fit` the
    masks follow from the fit's seed, the same for any number of threads; a layer alone draws them from its own.

    Parameters
    ----------
    rate : float from 0 to below 1

    Raises
    ------
    TypeError, ValueError
        A rate that is no number or out of range.
    """

    _rng: np.random.Generator  # of a layer alone

    def __init__(self, rate: SupportsFloat) -> None:
        super().__init__()
        self.rate = checks.number("rate", rate, maximum=math.nextafter(1.0, 0.0))

    def initial_parameters(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        (self._rng,) = rng.spawn(1)  # the parameters of the layers after this one stay what they are without it
        return {}

    def apply(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        if not training:
            return x.copy(), None
        kept = self._draw(x.shape)
        return dropout(x, kept, self.rate), kept

    def apply_gradient(self, dy: np.ndarray, kept: Any) -> np.ndarray:
        return dropout(dy, kept, self.rate)

    def _draw(self, shape: tuple[int, ...]) -> np.ndarray:
        """Which values stay: by the words of each image in a net, by the layer's own generator if it is alone."""
        if self.stream is None:
            return self._rng.random(shape) >= self.rate
        words: np.ndarray = self.stream.words(shape[0], math.prod(shape[1:]))
        return (words >= self._threshold).reshape(shape)

    @property
    def _threshold(self) -> int:
        return min(round(self.rate * 2**32), 2**32 - 1)

    def lower(self, below: Sequence[Layer], above: Sequence[Layer], training: bool) -> Lowering | None:
        if not training:
            return None
        return Lowering("dropout", geometry=constant(DropoutGeometry(self.rate, self._threshold)), in_place=True)

    # ---- in other formats ----

    def to_onnx(self, graph: Any) -> None:
        pass  # in a prediction there is nothing to compute

    def to_torch(self, modules: Any) -> None:
        modules.add("Dropout", self.rate)

    def to_c(self, program: Any) -> None:
        pass  # it does nothing in a prediction

    def to_page(self, page: Any) -> dict[str, Any]:
        return {"kind": "dropout", "rate": self.rate}
