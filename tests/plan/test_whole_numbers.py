"""Steps of any net in small whole numbers, where every sum is exact in any order: equal to those of NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import cnn

from .nets import counterpart, flat, net_of
from .random_nets import stacks
from .steps import KINDS, RULES, fitted

pytestmark = pytest.mark.usefixtures("two_threads")


def last_with_parameters(net) -> cnn.layers.Layer:
    """The one that gives the logits."""
    return [layer for layer in net.layers if layer.parameters][-1]


def fill_with_whole_numbers(net, rng: np.random.Generator, margin: int):
    """Weights of -1, 0, 1, about three of them to an output, and small biases; logits are multiples of `margin`."""
    for layer in net.layers:
        for name, value in layer.parameters.items():
            few = min(1, 3 / math.prod(value.shape[:-1]))
            value[...] = rng.choice([-1, 0, 1], value.shape, p=[few / 2, 1 - few, few / 2])
            if name == "bias":
                value[...] = rng.integers(-2, 3, value.shape)
            if layer is last_with_parameters(net):
                value *= margin


def largest_number(net, largest_pixel: float, n: int) -> float:
    """A bound on all numbers of a step with a batch of n, and on all partial sums, in units of 1 / n.

    But for average pooling, whose windows divide the units once more.
    """
    x, inputs = largest_pixel, []
    for layer in net.layers:
        inputs.append(x)
        if isinstance(layer, cnn.Rescaling):
            x = abs(layer.scale) * x + abs(layer.offset)
        elif isinstance(layer, cnn.Dropout):
            x /= 1 - layer.rate
        elif layer.parameters:
            w = np.abs(layer.weights).reshape(-1, layer.weights.shape[-1])
            x = x * w.sum(axis=0).max() + (0 if layer.bias is None else np.abs(layer.bias).max())
    largest, dy = n * max(x, *inputs), 1.0
    for layer, x in zip(net.layers[::-1], inputs[::-1], strict=True):
        if isinstance(layer, cnn.Rescaling):
            dy *= abs(layer.scale)
        elif isinstance(layer, cnn.MaxPool2D):
            dy *= math.prod(layer.pool_size)  # windows that a pixel may be in
        elif isinstance(layer, cnn.Dropout):
            dy /= 1 - layer.rate
        elif layer.parameters:
            gradient = n * math.prod(layer.output_shape[:-1]) * dy * max(x, 1)
            largest = max(largest, gradient + n * np.abs(layer.weights).max())
            w = np.abs(layer.weights)
            dy *= w.sum(axis=tuple(i for i in range(w.ndim) if i != w.ndim - 2)).max()
    return largest


@given(
    stacks(whole_numbers=True),
    st.sampled_from([1, 2, 4, 8, 16, 32]),
    st.sampled_from([rule for rule in RULES if not rule.startswith(("ada", "rmsprop"))]),
    st.sampled_from(KINDS),
    st.integers(0, 2**32 - 1),
)
def test_a_step_of_any_net_in_whole_numbers_is_that_of_numpy(level, dtype, stack, n, rule, kind, seed):
    # All sums are of multiples of 1 / n, too few for any to be rounded, so that their order is of no account and ties
    # are ties on both sides. Two classes whose logits are far apart, or equal, have probabilities of 0, 1/2 and 1.
    rng = np.random.default_rng(seed)
    net = net_of(*stack, dtype=dtype)
    windows = math.prod(math.prod(layer.pool_size) for layer in net.layers if isinstance(layer, cnn.AvgPool2D))
    fill_with_whole_numbers(net, rng, margin=windows * (128 if dtype == np.float32 else 1024))
    quarters = 4  # into which weight decay and the momentum divide
    assume(quarters * windows * largest_number(net, 8, n) < 1 / np.finfo(dtype).eps)
    reference = counterpart(net, dtype)
    before = flat(net)
    x, y = rng.integers(0, 9, (n, *net.input_shape)).astype(kind), rng.integers(0, 2, n)
    assert np.array_equal(net.predict_proba(x), reference.predict_proba(x))
    ours, theirs = (fitted(either, x, y, n, rule, rate=1.0, steps=1) for either in (net, reference))
    # Losses are whole numbers and logs of 2, which are rounded.
    assert ours.loss == pytest.approx(theirs.loss, rel=2 * float(np.finfo(dtype).eps))
    assert ours.accuracy == theirs.accuracy
    assert np.array_equal(flat(net), flat(reference))
    if n == 1 and ours.loss[0] and last_with_parameters(net).bias is not None:
        assert not np.array_equal(flat(net), before)
