"""Predictions of whole nets: those of their layers one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cnn

from .nets import NETS, counterpart, flat, net_of, noise
from .random_nets import stacks
from .steps import rounded, teach

pytestmark = pytest.mark.usefixtures("two_threads")


@settings(max_examples=20)
@given(stacks(), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_a_prediction_of_any_net_is_that_of_its_layers_one_by_one(implementation, dtype, stack, n, seed):
    net = net_of(*stack, dtype=dtype, seed=seed)
    teach(net, seed)
    x, _ = noise(net, n, "float32", seed)
    logits, bound = rounded(net, x)
    run = counterpart(net, dtype) if implementation == "reference" else net
    assert (np.abs(run.predict_logits(x) - logits) <= bound).all()
    if dtype == np.float64:
        assert bound.max() < 1e-6 * (1 + np.abs(logits).max())  # or this would show nothing


@pytest.mark.parametrize("name", NETS)
def test_predictions_are_those_of_the_layers_one_by_one(implementation, dtype, name):
    net = NETS[name](seed=1, dtype=dtype)
    teach(net)
    x, _ = noise(net, 20)
    logits, bound = rounded(net, x)
    run = counterpart(net, dtype) if implementation == "reference" else net
    assert (np.abs(run.predict_logits(x) - logits) <= bound).all()


ENDS = {
    "means of maps": (1, lambda: [cnn.Conv2D(10, 3), cnn.AvgPool2D(6)]),
    "a convolution as large as its maps": (2, lambda: [cnn.Conv2D(4, 3), cnn.ReLU(), cnn.Conv2D(10, 6)]),
    "maps of several pixels": (2, lambda: [cnn.Conv2D(3, 6)]),
    "pooled planes": (1, lambda: [cnn.Conv2D(2, 3), cnn.ReLU(), cnn.MaxPool2D(2)]),
    "pooled maps": (2, lambda: [cnn.Conv2D(2, 3), cnn.MaxPool2D(2)]),
    "normalised maps": (1, lambda: [cnn.Conv2D(2, 6), cnn.BatchNorm(epsilon=0.1), cnn.ReLU()]),
}


@pytest.mark.parametrize(("channels", "layers"), ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("n", [1, 3, 33])
def test_flattened_maps_may_be_the_logits(implementation, dtype, channels, layers, n):
    made = cnn.Sequential([*layers(), cnn.Flatten()], (8, 8, channels), dtype=dtype, seed=0)
    net = counterpart(made, dtype) if implementation == "reference" else made
    x, y = noise(net, n, "float32")
    teach(net)
    logits, bound = rounded(net, x)
    assert (np.abs(net.predict_logits(x) - logits) <= bound).all()
    # A step of the same numbers, with a dense layer above that passes them on as they are.
    classes = net.output_shape[0]
    passed_on = cnn.Sequential([*layers(), cnn.Flatten(), cnn.Dense(classes, bias=False)], net.input_shape, dtype=dtype)
    for name, value in net.state().items():
        passed_on.state()[name][...] = value
    passed_on.layers[-1].weights = np.eye(classes, dtype=dtype)
    before = flat(net)
    losses = [either.train_on_batch(x, y, cnn.SGD(0.1)) for either in (net, passed_on)]
    # Sums of fewer than 2000 terms. Those of a gradient, of the mean loss, are less than 10 together; then the rate.
    tolerance = 2000 * float(np.finfo(dtype).eps)
    assert losses[0] == pytest.approx(losses[1], rel=tolerance)
    for name, value in net.state().items():
        np.testing.assert_allclose(value, passed_on.state()[name], rtol=0, atol=tolerance, err_msg=name)
    assert np.abs(flat(net) - before).max() > 10 * tolerance
