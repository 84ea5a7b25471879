"""Twenty steps against NumPy: of any net in float64; of the nets of the benchmarks and a few more in each precision,
within what rounding does to the reference in float64.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cnn

from .nets import NETS, counterpart, flat, net_of, noise
from .random_nets import stacks
from .steps import KINDS, RULES, STEPS, fitted

pytestmark = pytest.mark.usefixtures("two_threads")


@settings(max_examples=20)
@given(
    stacks(),
    st.integers(1, 24),
    st.integers(1, 24),
    st.sampled_from(sorted(RULES.keys() - {"lion"})),
    st.sampled_from(KINDS),
    st.integers(0, 2**32 - 1),
)
def test_twenty_steps_of_any_net_are_those_of_numpy(level, stack, n, batch_size, rule, kind, seed):
    layers, shape = stack
    if kind == "uint8":
        layers = [functools.partial(cnn.Rescaling, 1 / 64, -2.0), *layers]
    net, other = (net_of(layers, shape, seed=seed) for _ in range(2))
    reference = counterpart(net)
    x, y = noise(net, n, kind, seed)
    before = flat(net)
    # A sum of fewer than 10,000 terms is off by at most so many eps of its size, in either of the two orders. What an
    # error at the start makes of twenty steps, it makes of fewer at most: so much for each step.
    error = 10_000 * np.finfo(float).eps * max(1, np.abs(before).max())
    disturbed = other.executor.learned.parameters
    disturbed += error * np.random.default_rng(seed).uniform(-1, 1, disturbed.size)
    histories = [fitted(either, x, y, batch_size, rule, rate=0.002) for either in (net, reference, other)]
    learned = ([each.executor.learned.parameters, each.executor.learned.statistics] for each in (net, reference, other))
    for ours, theirs, disturbed in zip(*learned, strict=True):
        size = np.abs(ours).max(initial=1)  # variances may be larger than any parameter, and are rounded accordingly
        tolerance = STEPS * (error * size + np.abs(disturbed - ours).max(initial=0))
        assert np.abs(ours - theirs).max(initial=0) <= tolerance
        assert tolerance < 1e-6 * size  # or this would show nothing
    in_losses = STEPS * (error + np.abs(np.subtract(histories[2].loss, histories[0].loss)).max())
    np.testing.assert_allclose(histories[0].loss, histories[1].loss, rtol=1e-12, atol=in_losses)
    assert histories[0].accuracy == histories[1].accuracy


RULE_OF = {
    "A": "plain", "B": "nesterov", "L": "rmsprop",
    "general": "momentum", "unpooled": "weight decay", "dense alone": "adam",
    "normalised": "adamw", "averaged": "rmsprop with momentum",
}  # fmt: skip
RATE = {
    "plain": 0.02,
    "weight decay": 0.02,
    "momentum": 0.01,
    "nesterov": 0.005,
    "adam": 0.001,
    "adamw": 0.001,
    "rmsprop": 0.001,
    "rmsprop with momentum": 0.001,
}
BATCH = 17


def twenty_batches(net, rule: str, disturbance=0.0) -> tuple[np.ndarray, np.ndarray]:
    """Losses and last parameters; after each step these are disturbed by so much of the largest of them."""
    x, y = noise(net, STEPS * BATCH)
    rng, optimizer, losses = np.random.default_rng(1), RULES[rule](RATE[rule]), []
    for first in range(0, STEPS * BATCH, BATCH):
        part = slice(first, first + BATCH)
        losses.append(net.train_on_batch(x[part], y[part], optimizer))
        parameters = net.executor.learned.parameters
        parameters += disturbance * np.abs(parameters).max() * rng.uniform(-1, 1, parameters.size).astype(net.dtype)
    return np.array(losses), flat(net)


@functools.cache
def reference_run(name: str, disturbance=0.0) -> tuple[np.ndarray, np.ndarray]:
    return twenty_batches(counterpart(NETS[name](seed=2)), RULE_OF[name], disturbance)


@pytest.mark.parametrize("name", NETS)
def test_twenty_steps_lead_to_the_references_losses_and_parameters(implementation, dtype, name):
    net, rule = NETS[name](seed=2, dtype=dtype), RULE_OF[name]
    net.executor.learned.parameters[...] = NETS[name](seed=2).executor.learned.parameters
    start = flat(net)
    losses, parameters = reference_run(name)
    # The longest sum of a step is the gradient of a convolution's weight: over the positions of all images. Roundings
    # of either sign leave it off by the root of its length times eps, and the rate times that goes into the parameters,
    # which are rounded themselves. Disturb the exact run by that much after every step.
    longest = BATCH * max(math.prod(layer.output_shape[:-1]) for layer in net.layers if layer.parameters)
    disturbed = reference_run(name, (1 + RATE[rule] * math.sqrt(longest)) * float(np.finfo(dtype).eps))
    losses_apart, parameters_apart = np.abs(disturbed[0] - losses).max(), np.abs(disturbed[1] - parameters).max()
    our_losses, ours = twenty_batches(counterpart(net, dtype) if implementation == "reference" else net, rule)
    # The loss itself is a few roundings, of numbers up to its size.
    assert np.abs(our_losses - losses).max() <= losses_apart + 10 * np.finfo(dtype).eps * losses.max()
    assert np.abs(ours - parameters).max() <= parameters_apart
    assert np.abs(ours - start).max() > 100 * parameters_apart  # or this would show nothing
