"""A layer normalisation in parts: the mean and variance of the channels, and what becomes of them.

With m = mean(x), v = variance(x), each part is one of these forms, with a constant or several:

    mean       sign * m                          root      sqrt(v + epsilon)
    deviation  x - m                             inverse   gamma / sqrt(v + epsilon)
    squares    (x - m)^2                         scaled    x * gamma / sqrt(v + epsilon)
    variance   v + epsilon                       shift     beta - m * gamma / sqrt(v + epsilon)

Keras computes scaled + shift, others deviation / root or deviation * inverse.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...layers.layernorm import LayerNorm
from .tensor import CHANNELS_FIRST, CHANNELS_LAST, Tensor


class Moment(NamedTuple):
    """A part, of the tensor on whose step it stands."""

    kind: str
    sign: float = 1.0
    epsilon: float = 0.0
    gamma: np.ndarray | None = None  # None for ones
    beta: np.ndarray | None = None  # None for zeros

    def __str__(self) -> str:
        return f"a part of a LayerNorm ({self.kind})"


_DEVIATION, _INVERSE = Moment("deviation"), "inverse"


def moment(x: Tensor) -> Moment | None:
    """The part that a tensor is, if it is one."""
    return x.step.detail if isinstance(x.step.detail, Moment) else None


def is_(x: Tensor, kind: str) -> bool:
    found = moment(x)
    return found is not None and found.kind == kind


def _changed(x: Tensor, made: Moment) -> Tensor:
    """Another part of the same tensor."""
    return x._replace(step=x.step.below or x.step).part(made)


def mean_of_channels(x: Tensor) -> Tensor:
    """The mean of x or of squares along the channels, which stay an axis of one."""
    return _changed(x, Moment("variance")) if is_(x, "squares") else x.part(Moment("mean"))


def reshape(x: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """A part whose channels are an axis of one, for maps of either layout."""
    last = len(x.shape) - 1
    for axes in (x.axes, CHANNELS_FIRST, CHANNELS_LAST):
        if len(axes) == len(x.axes) and sizes == tuple(1 if axis == last else x.shape[axis] for axis in axes):
            return x._replace(axes=axes)
    raise ValueError(f"a reshape of a mean or variance of channels must only move their axis, got {sizes}")


def negative(x: Tensor) -> Tensor | None:
    found = moment(x)
    return _changed(x, found._replace(sign=-found.sign)) if found is not None and found.kind == "mean" else None


def square(x: Tensor) -> Tensor | None:
    return _changed(x, Moment("squares")) if is_(x, "deviation") else None


def root(x: Tensor) -> Tensor | None:
    found = moment(x)
    return _changed(x, found._replace(kind="root")) if found is not None and found.kind == "variance" else None


def reciprocal(x: Tensor) -> Tensor | None:
    found = moment(x)
    return _changed(x, found._replace(kind=_INVERSE)) if found is not None and found.kind == "root" else None


def subtract(a: Tensor, b: Tensor) -> Tensor | None:
    """x - m."""
    return _changed(b, _DEVIATION) if moment(b) == Moment("mean") and b.step.below is a.step else None


def divide(a: Tensor, b: Tensor) -> Tensor | None:
    """Something divided by the root."""
    inverse = reciprocal(b)
    return None if inverse is None else multiply(a, inverse)


def add_constant(x: Tensor, number: float, vector: np.ndarray | None) -> Tensor | None:
    """Epsilon; or beta, a number for each channel."""
    found = moment(x)
    if found is not None and found.kind == "variance" and vector is None:
        return _changed(x, found._replace(epsilon=found.epsilon + number))
    if found is not None and found.kind == "shift" and vector is not None and found.beta is None:
        return _changed(x, found._replace(beta=vector))
    return None


def multiply_constant(x: Tensor, vector: np.ndarray | None) -> Tensor | None:
    """Gamma, a number for each channel."""
    found = moment(x)
    if found is None or found.kind != _INVERSE or vector is None or found.gamma is not None:
        return None
    return _changed(x, found._replace(gamma=vector))


def multiply(a: Tensor, b: Tensor) -> Tensor | None:
    """The square of a deviation; or something times the inverse root."""
    if a.step is b.step:
        return square(a)
    for x, other in ((a, b), (b, a)):
        inverse, below = moment(other), other.step.below
        if inverse is None or inverse.kind != _INVERSE:
            continue
        if x.step is below:
            return _changed(other, inverse._replace(kind="scaled"))
        if x.step.below is below and is_(x, "deviation"):
            return _normalised(other, inverse)
        if x.step.below is below and moment(x) == Moment("mean", sign=-1.0):
            return _changed(other, inverse._replace(kind="shift"))
    return None


def add(a: Tensor, b: Tensor) -> Tensor | None:
    """Scaled + shift."""
    for x, other in ((a, b), (b, a)):
        scaled, shift = moment(x), moment(other)
        if scaled is None or shift is None or (scaled.kind, shift.kind) != ("scaled", "shift"):
            continue
        if x.step.below is other.step.below and scaled.epsilon == shift.epsilon and scaled.gamma is shift.gamma:
            return _normalised(other, shift)
    return None


def _normalised(x: Tensor, given: Moment) -> Tensor:
    channels = x.shape[-1]
    gamma = np.ones(channels, np.float32) if given.gamma is None else given.gamma
    beta = np.zeros_like(gamma) if given.beta is None else given.beta
    whole = x._replace(step=x.step.below or x.step)
    return whole.then(LayerNorm(given.epsilon), {"gamma": gamma, "beta": beta})
