"""Nets of any layers whose parameters and running statistics are none that they begin with."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import given, seed, settings
from hypothesis import strategies as st

import cnn
from cnn.backends.parts import leaves

from ..plan import nets, random_nets


class Trained(NamedTuple):
    """A net, and images for it."""

    net: cnn.Sequential
    images: np.ndarray

    def __repr__(self) -> str:  # without the arrays
        return f"{self.net!r} on {self.images.dtype}"


@st.composite
def trained_nets(draw, dtype="float32"):
    layers, shape = draw(random_nets.stacks())
    number = draw(st.integers(0, 99))
    net = nets.net_of(layers, shape, dtype, seed=number)
    rng = np.random.default_rng(number)
    for name, value in net.state().items():
        if name.endswith("mean"):
            value[...] = rng.uniform(-0.5, 0.5, value.shape)
        elif name.endswith("variance"):
            value[...] = rng.uniform(0.5, 2, value.shape)
    return Trained(net, nets.noise(net, 7, seed=number)[0])


def check(examples: int, number: int, disagreement) -> tuple[float, set[str]]:
    """The largest `disagreement(net, images)` of so many nets, and the kinds of layers that occurred."""
    results, seen = [], set()

    @seed(number)
    @settings(max_examples=examples, database=None, deadline=None)
    @given(trained_nets())
    def agrees(one):
        results.append(disagreement(one.net, one.images))
        seen.update(type(layer).__name__ for layer in [*one.net.layers, *leaves(one.net.layers)])

    agrees()
    return max(results), seen


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference, in units of the largest number of either."""
    return float(np.abs(one - other).max() / max(np.abs(one).max(), np.abs(other).max(), 1e-30))


def channels_first(x: np.ndarray) -> np.ndarray:
    return x.transpose(0, 3, 1, 2) if x.ndim == 4 else x


def assert_same_bits(one: cnn.Sequential, other: cnn.Sequential, images: np.ndarray) -> None:
    """The same parameters, statistics and logits, bit for bit.

    In the same order: a convolution of one channel, or of a group a channel, may come back as the other class.
    """
    for (name, value), other_value in zip(one.state().items(), other.state().values(), strict=True):
        assert value.shape == other_value.shape
        assert value.tobytes() == other_value.tobytes(), name
    assert one.predict_logits(images).tobytes() == other.predict_logits(images).tobytes()
